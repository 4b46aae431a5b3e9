"""`python -m ablation.report study=NAME`: a study's report again, from MLflow or a file.

Exit code: 0 fine; 2 planned runs did not finish, an arm is not what it says, or runs' files can't
be read; 1 no report.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from ablation import errors, process, targets
from ablation.config import Config
from ablation.errors import ConfigError

if TYPE_CHECKING:
    from ablation.report.evidence.source import Evidence

EXAMPLES = """\
examples:
  python -m ablation.report study=digits-transfer-reg
  python -m ablation.report study=NAME report.baseline.transfer=scratch
  python -m ablation.report study=NAME 'report.nuisance=[optimizer.lr]'
  python -m ablation.report study=NAME tracking.uri=sqlite:////data/mlflow.db results=reports
  python -m ablation.report study=NAME evidence=all.zip   writes the evidence into a file, too
  python -m ablation.report evidence=all.zip              the same report from it, without MLflow
"""

#: The one key of this command that is not a key of a run.
EVIDENCE = "evidence="
#: What the keys that a report takes begin with.
KEYS = ("study", "report.", "tracking.uri", "results")


def main() -> None:
    """The command; exits with the code above."""
    with process.command():
        given = _parser().parse_args()
        sys.exit(report(given.overrides, has_latex=given.latex))


def report(overrides: Sequence[str], *, has_latex: bool = False) -> int:
    """Check what was asked for, write the report, say where it is.

    Args:
        overrides: `key=value` words.
        has_latex: whether the main tables are written in LaTeX, too.

    Raises:
        ConfigError: a mistake in the overrides, no such study, a store or a file that can't be
            used.
    """
    targets.look_in(Path.cwd())  # for a metric of a person's own
    config, file = check(overrides)
    from rich.console import Console

    from ablation import report
    from ablation.report.evidence import archive, archive_writer
    from ablation.tracking import places

    evidence = _from_store(config) if config.study else archive.Archived(_given(file))
    places.check_results(config.results, evidence.study)
    process.imports_done()
    try:
        written = report.write(evidence, Path(config.results), config.report, has_latex=has_latex)
    except OSError as error:
        raise ConfigError(
            f"results={config.results}: the report could not be written ({errors.brief(error)})"
        ) from error
    console = Console(highlight=False, soft_wrap=True)
    if config.study and file:
        archive_writer.save(evidence, file)
    console.print(written.main_table, markup=False)
    if not written.is_complete:
        console.print("[yellow]The grid is incomplete; the report's ledger names what is missing.")
    console.print(f"Report: {written.path}", markup=False)
    if config.study and file:
        console.print(f"Evidence: {file}", markup=False)
    return written.exit_code


def check(overrides: Sequence[str]) -> tuple[Config, Path | None]:
    """The keys of a report, composed as the main command composes them, and the file of evidence.

    Raises:
        ConfigError: an unknown key, a wrong value, neither study nor evidence named, a file that
            is not there to be read or not one to be written over.
    """
    from ablation.study import grid
    from ablation.study.hydra_insides import key_of, text_of
    from ablation.study.overrides import read

    files = [text.removeprefix(EVIDENCE) for text in overrides if text.startswith(EVIDENCE)]
    others = [text for text in overrides if not text.startswith(EVIDENCE)]
    items = read(others)
    for item in items:
        if not key_of(item).startswith(KEYS):
            raise ConfigError(
                f"{text_of(item)}: a report is made of what the store holds; it takes study, "
                "report.baseline.FACTOR, report.metric, report.nuisance, report.difference, "
                "tracking.uri, results and evidence"
            )
        if item.is_sweep_override():
            raise ConfigError(f"{text_of(item)}: one value; a report is of one study")
    is_named = any(key_of(item) == "study" and item.value() for item in items)
    if not files and not is_named:
        raise ConfigError(
            "study is not set: name the one to report on, study=NAME, or a file that holds the "
            "evidence on it, evidence=FILE"
        )
    if len(files) > 1 or "" in files:
        raise ConfigError(f"{EVIDENCE}{', '.join(files)}: name one file, evidence=FILE")
    file = Path(files[0]) if files else None
    config = grid.expand(others, multirun=False).base
    if not is_named:
        config.study = None
        _check_source(_given(file), config)
    elif file is not None:
        _check_target(file)
    return config, file


def _given(file: Path | None) -> Path:
    assert file is not None  # as there is no study
    return file


def _check_source(file: Path, config: Config) -> None:
    if not file.is_file():
        raise ConfigError(
            f"evidence={file}: there is no such file; to write one, name the study as well, "
            f"study=NAME evidence={file}"
        )
    if config.tracking.uri is not None:
        raise ConfigError(
            f"tracking.uri={config.tracking.uri}: evidence={file} is read without a store; name "
            "the study as well to read the store and write the file, study=NAME"
        )


def _check_target(file: Path) -> None:
    """Only evidence is overwritten, so that a typing mistake destroys no other file."""
    from ablation.report.evidence import archive

    if not file.absolute().parent.is_dir():
        raise ConfigError(f"evidence={file}: there is no folder {file.parent}")
    if file.exists() and not archive.is_evidence(file):
        raise ConfigError(
            f"evidence={file}: holds something else, and is not written over; name a new file"
        )


def _from_store(config: Config) -> "Evidence":
    from ablation.report.evidence.store import Stored
    from ablation.tracking.store import connect_existing, resolve_uri

    assert config.study is not None
    client = connect_existing(resolve_uri(config.tracking.uri))
    return Stored(client, config.study)


class _Parser(argparse.ArgumentParser):
    """Its own exit code for a mistake is 2, which here means an incomplete grid."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(message)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m ablation.report",
        description="Write the report of a study from what MLflow, or a file of evidence, holds.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="key=value",
        help="study=NAME or evidence=FILE, and any of report.baseline.FACTOR=LEVEL, "
        "report.metric=NAME, "
        "report.nuisance=[KEY,…], report.difference=POINTS/100, tracking.uri=URI, results=FOLDER",
    )
    parser.add_argument(
        "--latex", action="store_true", help="write the ranking and the effects in LaTeX, too"
    )
    return parser


if __name__ == "__main__":
    main()
