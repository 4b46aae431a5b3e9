"""What is shown while a study runs: progress bars in a terminal, plain lines elsewhere."""

import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

if TYPE_CHECKING:
    from ablation.training.fit import Epoch
    from ablation.training.run import Outcome


class Progress:
    """The progress of a study: run 3 of 6, epoch 2 of 5, time left."""

    def __init__(
        self, console: Console, study: str, n_runs: int | None, place: int | None = None
    ) -> None:
        """Progress of all runs, or of one run while other processes train the others.

        Args:
            console: where it is shown.
            study: its name.
            n_runs: how many runs there are, None where that is not known.
            place: the number of the one run, from 1. Each line then names the run, because the
                lines of several processes are mixed.
        """
        self._console = console
        self._study = study
        self._n_runs = n_runs
        self._place = place
        self._n_ended = place - 1 if place else 0
        self._n_trained = 0
        self._epochs = 1
        self._name = ""
        self._run_start: float | None = None
        self._spent = 0.0
        self._bars: Bars | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._bars = Bars(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.fields[left]}"),
                console=self._console,
                transient=True,
            )
            self._bars.start()
            self._all = self._bars.add_task(self._study, total=self._n_runs, left="")
            self._one: TaskID | None = None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bars:
            self._bars.stop()

    def run_started(self, name: str, epochs: int) -> None:
        """A run of so many epochs starts."""
        self._name, self._epochs = name, epochs
        self._run_start = time.monotonic()
        if self._bars:
            which = f"{escape(self._study)}: {self._which(self._n_ended + 1)}"
            self._bars.update(self._all, description=which)
            self._one = self._bars.add_task(f"  {escape(name)}", total=epochs, left="")

    def epoch(self, row: "Epoch") -> None:
        """An epoch of the run has ended.

        Args:
            row: its metrics.
        """
        line = (
            f"loss {row['train/loss']:.3f}  train {row['train/accuracy']:.1%}  "
            f"val {row['val/accuracy']:.1%}"
        )
        if self._bars:
            assert self._one is not None
            self._bars.update(self._one, completed=int(row["epoch"]), left=line)
            return
        which = f"{self._which(self._n_ended + 1)}  {self._name}" if self._place else "  "
        epoch = f"epoch {int(row['epoch'])}/{self._epochs}"
        seconds = f"{row['epoch_seconds']:.1f} s"
        self._console.print(f"{which}  {epoch}  {line}  {seconds}", highlight=False, markup=False)

    def run_ended(self, outcome: "Outcome") -> None:
        """The run has ended."""
        self._n_ended += 1
        if outcome.status in ("finished", "failed") and self._run_start is not None:
            self._n_trained += 1
            self._spent += time.monotonic() - self._run_start
        self._run_start = None
        words = {
            "finished": f"best val {outcome.best_val_accuracy or 0:.1%}",
            "skipped": f"best val {outcome.best_val_accuracy or 0:.1%} (had finished before)",
            "left out": "left out, as an earlier run failed (stop_on_failure=true)",
            "elsewhere": "is being trained by another command",
            "failed": f"[red]failed[/red]: {escape(outcome.error)}",
        }
        line = f"{self._which(self._n_ended)}  {escape(outcome.name)}  {words[outcome.status]}"
        left = self._left()
        if self._bars:
            if self._one is not None:
                self._bars.remove_task(self._one)
                self._one = None
            self._bars.update(self._all, completed=self._n_ended, left=left)
            self._console.print(line, highlight=False)
            return
        self._console.print(f"{line}{'  ' + left if left else ''}", highlight=False)

    def _which(self, number: int) -> str:
        return f"run {number} of {self._n_runs}" if self._n_runs else f"run {number}"

    def _left(self) -> str:
        """The time left, if the other runs take as long as those so far; "" where not known."""
        if self._place or not self._n_runs or not self._n_trained:
            return ""
        if self._n_ended >= self._n_runs:
            return ""
        seconds = self._spent / self._n_trained * (self._n_runs - self._n_ended)
        return f"about {duration(seconds)} left"


def duration(seconds: float) -> str:
    """A duration in words: 90 → "1 min 30 s"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"
