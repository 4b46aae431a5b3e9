"""What the runs of one process share: progress, cache, and the results still being written."""

import functools
import os
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig
from rich.console import Console

from ablation import process
from ablation.config import Config, chosen
from ablation.errors import brief
from ablation.progress import Progress
from ablation.study import grid, hydra_insides
from ablation.study.grid import AskedRun
from ablation.study.hydra_insides import Job
from ablation.tracking import store
from ablation.tracking.patience import Patience
from ablation.tracking.store import Study

if TYPE_CHECKING:
    from ablation.training.cache import Cache
    from ablation.training.run import Outcome
    from ablation.training.together import Together

#: The environment variable that tells a launcher's workers how many runs there are.
N_RUNS = "ABLATION_RUNS"


class Session:
    """The runs of one process: those of a grid by `run`, those that Hydra composes by `task`.

    The process that was given the command has one. When a launcher sends the task to a worker
    process, the worker gets a session of its own, which it keeps between its tasks.
    """

    def __init__(self, progress: Progress | None = None, study: Study | None = None) -> None:
        """
        Args:
            progress: of the whole study; None in a worker, which shows that of each run.
            study: where the runs are logged; None in a worker, which opens it itself.
        """
        self._progress = progress
        self._cache: Cache | None = None
        self._opened = study
        self._together: Together | None = None
        self._has_failed = False
        # Runs whose results may still be on their way to the store, the oldest first.
        self._unwritten: list[Outcome] = []

    def __reduce__(self) -> "tuple[Callable[[], Session], tuple[()]]":
        """What a launcher pickles with the task: how a worker gets its own session."""
        return of_worker, ()

    def task(self, composed: DictConfig) -> float | None:
        """A run that Hydra composed, in whichever process the launcher put it.

        Args:
            composed: its config, without Hydra's own part.

        Returns:
            Its best validation accuracy, for sweepers that choose runs by their results; None where
            it failed.
        """
        with process.heeding_notice(hydra_insides.seconds_after_notice()):
            return self._composed(composed)

    def _composed(self, composed: DictConfig) -> float | None:
        job = hydra_insides.job()
        progress = self._progress or _progress_of_one(job)
        try:
            asked = grid.composed_run(job, composed)
        # A setting that a sweeper chose: the other runs may still succeed.
        except Exception as error:
            progress.run_started(str(composed.study), 0)
            return self._ended(_failed(str(composed.study), error), progress)
        return self.run(asked, progress)

    def run_all(self, runs: Sequence[AskedRun]) -> None:
        """Train these runs one after the other; those that have finished before are not repeated.

        Args:
            runs: of a grid, in this process.
        """
        from ablation.training.together import Together

        before = self._opened.before if self._opened else None
        finished = {identity.fingerprint for identity in before or ()}
        self._together = Together(
            [run for run in runs if run.config.rerun or run.fingerprint not in finished]
        )
        for asked in runs:
            self.run(asked)
            self._together.ended(asked)
        self._together = None

    def run(self, asked: AskedRun, progress: Progress | None = None) -> float | None:
        """Train a run, unless it has finished before.

        Args:
            asked: the run.
            progress: of the run, in a worker.

        Returns:
            As `task`.
        """
        from ablation.training import run

        progress, config = progress or chosen(self._progress), asked.config
        progress.run_started(asked.name, config.epochs)
        if self._has_failed and config.stop_on_failure:
            progress.run_ended(run.Outcome(asked.name, "left out"))
            return None
        try:
            study, cache = self._study(config), self._shared(config)
            outcome = run.train(asked, study, cache, progress.epoch, self._together)
        # A store that went away: the other runs may still succeed.
        except Exception as error:
            if process.is_stopped():
                raise KeyboardInterrupt from error
            outcome = _failed(asked.name, error)
        return self._ended(outcome, progress)

    def _ended(self, outcome: "Outcome", progress: Progress) -> float | None:
        self._has_failed |= outcome.status == "failed"
        self._unwritten.append(outcome)
        if self._progress is None:
            # A launcher may end its worker at any time after the run's last line.
            self.finish_writing()
        progress.run_ended(outcome)
        # Otherwise the store may be one run behind the training.
        self.finish_writing(all_but=1)
        return outcome.best_val_accuracy

    def finish_writing(self, all_but: int = 0) -> None:
        """Wait until the runs are written to the store; one that can't be written has failed.

        Args:
            all_but: how many of the newest runs may still be under way.
        """
        while len(self._unwritten) > all_but:
            outcome = self._unwritten[0]
            if outcome.log is not None:
                try:
                    outcome.log.wait()
                # The store's own errors: a full disk, a server that went away.
                except Exception as error:
                    print(f"{outcome.name}: its results could not be logged ({brief(error)})")
                    said = f"could not be logged: {error}"
                    outcome.log.fail("FAILED", said, traceback.format_exc())
            self._unwritten.pop(0)

    def _study(self, config: Config) -> Study:
        """Where the runs are logged: the same for all runs of a command."""
        if self._opened is None:
            # The store's pool of connections is shared with the thread that writes.
            with process.uninterrupted():
                ask = Patience(config.tracking.patience)
                client = ask(store.connect, store.resolve_uri(config.tracking.uri))
                self._opened = ask(
                    store.open_study,
                    client,
                    str(config.study),
                    Path(config.results),
                    config.tracking.patience,
                )
        return self._opened

    def _shared(self, config: Config) -> "Cache":
        """The cache of this process; its limit is the same for all runs of a command."""
        if self._cache is None:
            from ablation.training.cache import Cache

            self._cache = Cache(config.cache.memory_gb * 1e9)
        return self._cache


def _failed(name: str, error: Exception) -> "Outcome":
    from ablation.training.run import Outcome

    return Outcome(name, "failed", error=brief(error))


@functools.cache
def of_worker() -> Session:
    """The session of a launcher's worker process.

    The one object of this package that a process has for itself: a launcher hands its worker
    nothing but tasks, and all tasks of a worker share a cache.
    """
    return Session()


def tell_workers(n_runs: int | None) -> None:
    """Let the worker processes that are started from here know how many runs there are."""
    os.environ[N_RUNS] = str(n_runs or "")


def _progress_of_one(job: Job) -> Progress:
    """The progress of one run among those that other processes train at the same time."""
    n_runs = os.environ.get(N_RUNS)
    console = Console(highlight=False, soft_wrap=True)
    return Progress(console, "study", int(n_runs) if n_runs else None, place=job.number + 1)
