"""How a study stands: each run that was asked for, and what has become of it."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.table import Table

from ablation.progress import duration
from ablation.report.claims import price
from ablation.study.ledger import Ledger
from ablation.study.record import Run

if TYPE_CHECKING:
    from ablation.study.grid import Grid

#: Of more runs than this, only those that have not finished are listed.
MOST_ROWS = 40


@dataclass(frozen=True)
class Standing:
    """One run.

    Attributes:
        name: of the run, or its levels where it was never logged.
        state: finished, running, failed, diverged, or missing.
        detail: its accuracy, where and for how long it is running, or why it failed.
    """

    name: str
    state: str
    detail: str = ""


def of_ledger(book: Ledger) -> list[Standing]:
    """Every run that was planned, in the order of the plans; then what was logged besides."""
    return list(_standings(book, {name: _levels(varied) for name, varied in book.planned.items()}))


def of_grid(asked: "Grid", book: Ledger) -> list[Standing]:
    """The runs of a command, in its order.

    Args:
        asked: the checked grid.
        book: what the store has of the study.
    """
    return list(_standings(book, {run.fingerprint: run.name for run in asked.runs}, only=True))


def _standings(book: Ledger, names: Mapping[str, str], *, only: bool = False) -> Iterable[Standing]:
    logged = {**{key: runs[0] for key, runs in book.finished.items()}, **book.running}
    logged |= {**book.failed, **book.diverged}
    for fingerprint in dict.fromkeys([*names, *([] if only else logged)]):
        run = logged.get(fingerprint)
        if run is None:
            yield Standing(names[fingerprint], "missing")
        elif fingerprint in book.finished:
            yield Standing(run.name, "finished", _accuracy(run))
        elif fingerprint in book.running:
            yield Standing(run.name, "running", _where(run))
        else:
            state = "diverged" if fingerprint in book.diverged else "failed"
            yield Standing(run.name, state, run.tags.get("error", "").split("\n")[0])


def _levels(varied: Mapping[str, str]) -> str:
    return "-".join(f"s{level}" if axis == "seed" else level for axis, level in varied.items())


def _accuracy(run: Run) -> str:
    found = run.metrics.get("best_val_accuracy")
    return "" if found is None else f"{found:.1%}"


def _where(run: Run) -> str:
    spent = duration(max(time.time() - run.start / 1000, 0))
    host = run.tags.get("host", "another machine")
    latest = run.metrics.get("val/accuracy")
    return f"on {host} for {spent}" + ("" if latest is None else f", val {latest:.1%}")


def table(standings: Sequence[Standing], title: str) -> Table:
    """The standings as a table for the terminal; of many, those that have not finished."""
    shown = standings
    if len(standings) > MOST_ROWS:
        shown = [one for one in standings if one.state != "finished"][:MOST_ROWS]
    drawn = Table("run", "state", "", title=title, title_justify="left")
    styles = {"finished": "green", "running": "yellow", "failed": "red", "diverged": "red"}
    for one in shown:
        drawn.add_row(one.name, one.state, one.detail, style=styles.get(one.state))
    return drawn


def summary(standings: Sequence[Standing], seconds: float | None) -> str:
    """One line: how many runs are in each state, and how long the rest will take.

    Args:
        standings: of all runs.
        seconds: that one run takes; None where that is not known.
    """
    states = ("finished", "running", "failed", "diverged", "missing")
    counts = {state: sum(one.state == state for one in standings) for state in states}
    parts = [f"{n} {state}" for state, n in counts.items() if n]
    n_left = len(standings) - counts["finished"] - counts["running"]
    line = f"{len(standings)} runs: {', '.join(parts)}"
    if not n_left:
        return line
    if seconds is None:
        return f"{line}; {n_left} to train, for how long is known after the first"
    return f"{line}; {n_left} to train, about {duration(seconds * n_left)} in one process"


def seconds_of_run(book: Ledger) -> float | None:
    """What a run of this study takes at its pace so far; None before one has finished."""
    return price.seconds_of_run(runs[0] for runs in book.finished.values())
