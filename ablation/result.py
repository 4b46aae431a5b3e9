"""What became of a command's runs: its exit code, and what a person is told at the end."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from rich.console import Console

from ablation.study.grid import Grid
from ablation.study.ledger import Ledger, exit_code

if TYPE_CHECKING:
    from ablation.report import Written


@dataclass(frozen=True)
class Result:
    """What became of a command's runs.

    Attributes:
        n_wanted: runs that the command asked for.
        n_lost: those that did not finish.
        n_diverged: those that did not finish because they diverged.
        faults: a sentence on each thing that makes the results other than what was asked for.
    """

    n_wanted: int
    n_lost: int
    n_diverged: int
    faults: Sequence[str]

    @classmethod
    def of(cls, asked: Grid, book: Ledger, faults: Sequence[str]) -> Self:
        """The result of a command, from the ledger of its study."""
        own = wanted(asked, book)
        n_diverged = len(own & set(book.diverged))
        return cls(len(own), len(own - set(book.finished)), n_diverged, faults)

    @property
    def exit_code(self) -> int:
        """0 all runs finished, 2 some did, or there are faults, 1 none did."""
        if self.n_lost == self.n_wanted:
            return 1
        return exit_code(is_complete=not self.n_lost, faults=self.faults)


def wanted(asked: Grid, book: Ledger) -> set[str]:
    """The fingerprints of the command's runs; where a sweeper chose them, of what was logged."""
    known = {run.fingerprint for run in asked.runs}
    return known or {*book.finished, *book.diverged, *book.failed}


def show_report(console: Console, written: "Written", result: Result) -> None:
    """Print a study's main table, and where its report is."""
    console.print()
    console.print(written.main_table, markup=False)
    if result.n_lost:
        lost = f"{result.n_lost} {'runs' if result.n_lost > 1 else 'run'}"
        why = f" ({result.n_diverged} diverged)" if result.n_diverged else ""
        console.print(f"[red]{lost} did not finish{why}; the report names them[/]")
    console.print(f"Report: {written.path}", markup=False)


def show_run(console: Console, asked: Grid, uri: str, result: Result) -> None:
    """Print where a single run is to be seen."""
    where = f"MLflow: {uri}, study {asked.study}"
    console.print(f"{where}; `mlflow ui` shows it under “Model training”", markup=False)
    for fault in result.faults:
        console.print(f"MISSING: {fault}", style="red", markup=False)
