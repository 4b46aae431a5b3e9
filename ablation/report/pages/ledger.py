"""The section "Ledger": what has become of every run that was planned or logged."""

from collections.abc import Iterator
from dataclasses import dataclass

from ablation.report.claims.results import Results
from ablation.report.pages.blocks import Block, Table, Text
from ablation.report.pages.numbers import listed
from ablation.study import diverged
from ablation.study.ledger import Ledger

#: Runs listed on the page for each status; runs.csv has all.
MOST_RUNS = 20
#: Rows of the table of missing runs.
MOST_ROWS = 60


@dataclass(frozen=True)
class Unfinished:
    """A run that did not finish.

    Attributes:
        status: "diverged", "failed", "running" or "missing".
        name: of the run; of a missing one, what it was planned with.
        levels: of the factors and searched settings, and the seed.
        error: why it did not finish; may be empty.
    """

    status: str
    name: str
    levels: dict[str, str]
    error: str = ""


def unfinished(results: Results) -> Iterator[Unfinished]:
    """Every planned or logged run that did not finish, by status."""
    ledger = results.runs.ledger
    keys = (*results.factors, *results.runs.searched)
    for status, runs in (
        ("diverged", ledger.diverged),
        ("failed", ledger.failed),
        ("running", ledger.running),
    ):
        for run in runs.values():
            levels = {key: run.params[key] for key in keys if key in run.params}
            error = ""
            if status == "failed":
                error = run.tags.get("error", "no reason recorded")
            elif status == "diverged":
                error = diverged.reason(run) or "diverged: its probabilities are not finite"
            levels["seed"] = run.params.get("seed", "")
            yield Unfinished(status, run.name, levels, error)
    for fingerprint in ledger.missing:
        varied = ledger.planned[fingerprint]
        name = ", ".join(f"{key}={value}" for key, value in varied.items()) or "the only run"
        yield Unfinished("missing", name, dict(varied))


def ledger(results: Results) -> Iterator[Block]:
    """The numbers of runs by status, then those that did not finish by name."""
    book = results.runs.ledger
    yield _numbers(book)
    by_status: dict[str, list[Unfinished]] = {}
    for run in unfinished(results):
        by_status.setdefault(run.status, []).append(run)
    for status, column in (("diverged", "what happened"), ("failed", "error")):
        if status in by_status:
            rows = tuple((run.name, run.error) for run in by_status[status][:MOST_RUNS])
            yield Table((f"{status} run", column), rows, "ll")
    if "running" in by_status:
        yield Text(f"Running: {listed((run.name for run in by_status['running']), MOST_RUNS)}.")
    if "missing" in by_status:
        yield missing(book)
    if any(len(runs) > MOST_RUNS for runs in by_status.values()):
        yield Text("Not all of them may be listed here; `runs.csv` has all.", "remark")
    yield from _surplus(book)
    if not book.planned:
        yield Text(
            "No plan was recorded, so only logged runs are counted here: runs that were never "
            "started are not known.",
            "remark",
        )


def _numbers(book: Ledger) -> Table:
    n_duplicates = sum(len(runs) - 1 for runs in book.finished.values())
    numbers = {
        "planned": f"{len(book.planned):,}" if book.planned else "not recorded",
        "finished": f"{len(book.finished):,}",
        "diverged": f"{len(book.diverged):,}",
        "failed": f"{len(book.failed):,}",
        "running": f"{len(book.running):,}",
        "missing": f"{len(book.missing):,}",
        "duplicates": f"{n_duplicates:,}",
    }
    return Table(tuple(numbers), (tuple(numbers.values()),), "r" * len(numbers))


def missing(book: Ledger) -> Table:
    """The runs that were planned and never logged: a row a cell, with its seeds."""
    seeds: dict[str, list[str]] = {}
    for fingerprint in book.missing:
        varied = dict(book.planned[fingerprint])
        seed = varied.pop("seed", "")
        name = ", ".join(f"{key}={value}" for key, value in varied.items()) or "the only cell"
        seeds.setdefault(name, []).append(seed)
    rows = tuple((name, ", ".join(filter(None, found)) or "–") for name, found in seeds.items())
    return Table(("missing", "seeds"), rows[:MOST_ROWS], "ll")


def _surplus(book: Ledger) -> Iterator[Block]:
    """Runs that were made twice, or that no plan asked for."""
    repeated = [
        f"{runs[0].name} ({len(runs)} times; the newest counts, {runs[0].id})"
        for runs in book.finished.values()
        if len(runs) > 1
    ]
    if repeated:
        yield Text(f"Duplicates: {listed(repeated, MOST_RUNS)}.")
    unplanned = sorted(set(book.finished) - set(book.planned))
    if unplanned and book.planned:
        names = [book.finished[fingerprint][0].name for fingerprint in unplanned]
        yield Text(f"Finished without being planned: {listed(names, MOST_RUNS)}.")
