"""Logs one run to MLflow, in a thread of its own, so that no training step waits for the store."""

import functools
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablation import process
from ablation.tracking.origin import tags_of_origin

if TYPE_CHECKING:
    from mlflow import MlflowClient

#: The longest value of a param or tag that every store accepts.
MAX_VALUE = 4_900


class RunLog:
    """One run in MLflow. Its methods return at once; one thread writes all in order."""

    def __init__(
        self,
        client: "MlflowClient",
        experiment_id: str,
        name: str,
        params: Mapping[str, object],
        tags: Mapping[str, str],
    ) -> None:
        """
        Args:
            client: of the store.
            experiment_id: of the study.
            name: of the run.
            params: its factors and its resolved config.
            tags: besides those that say where it comes from.
        """
        self._client = client
        self.run_id = ""
        self._pending: list[Future[None]] = []
        self._submit(self._start, experiment_id, name, params, {**tags_of_origin(), **tags})

    def epoch(self, row: Mapping[str, float]) -> None:
        """Log an epoch's metrics in one batch.

        Args:
            row: the metrics, and "epoch", from 1.

        Raises:
            Exception: an earlier write failed, in the store's own way.
        """
        self._raise_early()
        step, now = int(row["epoch"]), _now()
        self._submit(self._log, {k: v for k, v in row.items() if k != "epoch"}, {}, step, now)

    def finish(
        self,
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
        write_artifacts: Callable[[Path], None],
    ) -> None:
        """Log the artifacts, then the final metrics and tags, then mark the run as FINISHED.

        Args:
            metrics: the run's final ones.
            tags: what was checked in training.
            write_artifacts: writes the files into a folder that it is given.

        Raises:
            Exception: an earlier write failed, in the store's own way.
        """
        self._raise_early()
        self._submit(self._finish, metrics, tags, write_artifacts)

    def fail(self, status: str, error: str, details: str = "") -> None:
        """Mark the run as FAILED or KILLED.

        Args:
            status: one of the two.
            error: the reason, kept as a tag.
            details: a traceback, kept as an artifact.
        """
        self._submit(self._fail, status, error, details)

    def wait(self) -> None:
        """Wait until all is written.

        Raises:
            Exception: a write failed, in the store's own way.
        """
        pending, self._pending = self._pending, []
        for future in pending:
            process.result(future)

    def _submit(self, task: Callable[..., None], *args: Any) -> None:
        with process.uninterrupted():
            self._pending.append(_writer().submit(task, *args))

    def _raise_early(self) -> None:
        with process.uninterrupted():
            for future in [future for future in self._pending if future.done()]:
                self._pending.remove(future)
                future.result()

    def _start(
        self,
        experiment_id: str,
        name: str,
        params: Mapping[str, object],
        tags: Mapping[str, str],
    ) -> None:
        from mlflow.entities import Param

        run = self._client.create_run(
            experiment_id, tags={k: v[:MAX_VALUE] for k, v in tags.items()}, run_name=name
        )
        self.run_id = run.info.run_id
        entities = [Param(key, str(value)[:MAX_VALUE]) for key, value in params.items()]
        for first in range(0, len(entities), 100):
            self._client.log_batch(self.run_id, params=entities[first : first + 100])

    def _log(
        self, metrics: Mapping[str, float], tags: Mapping[str, str], step: int, now: int
    ) -> None:
        from mlflow.entities import Metric, RunTag

        self._client.log_batch(
            self.run_id,
            metrics=[Metric(key, float(value), now, step) for key, value in metrics.items()],
            tags=[RunTag(key, value[:MAX_VALUE]) for key, value in tags.items()],
        )

    def _finish(
        self,
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
        write_artifacts: Callable[[Path], None],
    ) -> None:
        with tempfile.TemporaryDirectory() as folder:
            write_artifacts(Path(folder))
            self._client.log_artifacts(self.run_id, folder)
        self._log(metrics, tags, 0, _now())
        self._client.set_terminated(self.run_id, "FINISHED")

    def _fail(self, status: str, error: str, details: str) -> None:
        if not self.run_id:
            return
        self._log({}, {"error": error}, 0, _now())
        if details:
            self._client.log_text(self.run_id, details, "traceback.txt")
        self._client.set_terminated(self.run_id, status)


@functools.cache
def _writer() -> ThreadPoolExecutor:
    """The one thread of a process that writes to the store: SQLite takes one writer at a time."""
    return ThreadPoolExecutor(1, thread_name_prefix="tracking")


def flush() -> None:
    """Wait until all runs of this process are written; errors are raised by `RunLog.wait`."""
    with process.uninterrupted():
        last = _writer().submit(lambda: None)
    process.result(last)


def _now() -> int:
    return int(time.time() * 1000)


def chunks(text: str, size: int = MAX_VALUE) -> Iterator[str]:
    """A long text in parts that each fit into a tag."""
    for first in range(0, len(text), size):
        yield text[first : first + size]
