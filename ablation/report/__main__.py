"""`python -m ablation.report study=NAME`: a study's report again, from MLflow alone.

Exit code: 0 fine, 2 planned runs did not finish or an arm is not what it says, 1 no report.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from ablation import process
from ablation.config import Config, ConfigError

EXAMPLES = """\
examples:
  python -m ablation.report study=digits-transfer-reg
  python -m ablation.report study=NAME report.baseline.transfer=scratch
  python -m ablation.report study=NAME 'report.nuisance=[optimizer.lr]'
  python -m ablation.report study=NAME tracking.uri=sqlite:////data/mlflow.db results=reports
"""

#: What the keys that a report takes begin with.
KEYS = ("study", "report.", "tracking.uri", "results")


def main() -> None:
    """The command; exits with the code above."""
    with process.command():
        sys.exit(report(_parser().parse_args().overrides))


def report(overrides: Sequence[str]) -> int:
    """Check what was asked for, write the report, say where it is.

    Raises:
        ConfigError: a mistake in the overrides, no such study, a store that can't be used.
    """
    config = check(overrides)
    assert config.study is not None
    from rich.console import Console

    from ablation import places, report, tracking

    places.check_results(config.results, config.study)
    uri = tracking.resolve_uri(config.tracking.uri)
    _refuse_missing_file(uri)
    client = tracking.connect(uri)
    process.imported()
    try:
        written = report.write(client, config.study, Path(config.results), config.report)
    except OSError as error:
        raise ConfigError(
            f"results={config.results}: the report could not be written ({process.brief(error)})"
        ) from error
    console = Console(highlight=False, soft_wrap=True)
    console.print(written.main_table, markup=False)
    if not written.is_complete:
        console.print("[yellow]The grid is incomplete; the report's ledger names what is missing.")
    console.print(f"Report: {written.path}", markup=False)
    return written.exit_code


def check(overrides: Sequence[str]) -> Config:
    """The keys of a report, composed as the main command composes them.

    Raises:
        ConfigError: an unknown key, a wrong value, no study named.
    """
    from ablation import grid
    from ablation.overrides import key_of, read, text_of

    items = read(overrides)
    for item in items:
        if not key_of(item).startswith(KEYS):
            raise ConfigError(
                f"{text_of(item)}: a report is made of what the store holds; it takes study, "
                "report.baseline.FACTOR, report.nuisance, report.difference, tracking.uri and "
                "results"
            )
        if item.is_sweep_override():
            raise ConfigError(f"{text_of(item)}: one value; a report is of one study")
    if not any(key_of(item) == "study" and item.value() for item in items):
        raise ConfigError("study is not set: name the one to report on, study=NAME")
    return grid.expand(overrides, multirun=False).base


def _refuse_missing_file(uri: str) -> None:
    """A report must not create the store that it was to read."""
    path = uri.removeprefix("sqlite:///")
    if path != uri and not Path(path).is_file():
        raise ConfigError(
            f"tracking.uri={uri}: there is no such file; start in the folder of the study, or name "
            "its store, tracking.uri=sqlite:////FOLDER/mlflow.db"
        )


class _Parser(argparse.ArgumentParser):
    """Its own exit code for a mistake is 2, which here means an incomplete grid."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(message)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m ablation.report",
        description="Write the report of a study from what MLflow holds.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="key=value",
        help="study=NAME, and any of report.baseline.FACTOR=LEVEL, report.nuisance=[KEY,…], "
        "report.difference=POINTS/100, tracking.uri=URI, results=FOLDER",
    )
    return parser


if __name__ == "__main__":
    main()
