"""The section "How this was made": commands, code, versions, data, devices, evidence."""

import shlex
from collections.abc import Iterator

from ablation.report.claims.results import Results
from ablation.report.evidence.integrity import column, versions
from ablation.report.evidence.runs import level_of, tasks_of
from ablation.report.pages.blocks import Block, Bullets, Code

#: Commands listed on the page.
MOST_COMMANDS = 20


def origin(results: Results) -> Iterator[Block]:
    """What someone who wants to repeat the study needs to know."""
    commands = [plan.command for plan in results.runs.plans]
    commands += [text for text in _values(results, "command") if text not in commands]
    if commands:
        yield Code("\n".join(commands[:MOST_COMMANDS]))
    items = [*_code(results), *_digests(results), *_devices(results)]
    items.append(("every run", f"`runs.csv`, and MLflow's experiment {results.runs.study}"))
    items.append(("evidence", _evidence(results)))
    yield Bullets(tuple(items))


def _code(results: Results) -> Iterator[tuple[str, str]]:
    commits = _values(results, "code_commit")
    if commits:
        is_dirty = "true" in _values(results, "code_dirty")
        yield "code", ", ".join(commits) + (", with uncommitted changes" if is_dirty else "")
    for text in _values(results, "versions"):
        yield "versions", ", ".join(f"{name} {found}" for name, found in versions(text).items())


def _digests(results: Results) -> Iterator[tuple[str, str]]:
    table = results.runs.table
    if tasks_of(table):
        return
    for label, tag, key in (("pictures", "data", "data"), ("weights", "weights", "model")):
        digests = column(table, f"tags.{tag}_digest").tolist()
        for level, digest in dict.fromkeys(zip(level_of(table, key), digests, strict=True)):
            if isinstance(digest, str) and digest != "none":
                yield f"{label} of {level}, digest", digest


def _devices(results: Results) -> Iterator[tuple[str, str]]:
    table = results.runs.table
    found = column(table, "tags.device") + ", " + column(table, "tags.precision")
    devices = found.dropna().unique()
    if len(devices):
        yield "computed on", "; ".join(map(str, devices))


def _evidence(results: Results) -> str:
    if results.is_small:
        return (
            "`evidence.zip`; `python -m ablation.report evidence=evidence.zip` makes this report "
            "again"
        )
    study = shlex.quote(results.runs.study)
    return (
        f"not kept here, as it holds {results.n_probabilities:,} probabilities; `python -m "
        f"ablation.report study={study} evidence=FILE` writes it"
    )


def _values(results: Results, tag: str) -> list[str]:
    """The different values that the runs have of a tag."""
    return [str(value) for value in column(results.runs.table, f"tags.{tag}").dropna().unique()]
