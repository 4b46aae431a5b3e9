"""Logs one run to MLflow, in a thread of its own, so that no training step waits for the store."""

import contextlib
import functools
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ablation import process
from ablation.tracking import claims, outbox
from ablation.tracking.claims import CLAIM, HELD, Claim
from ablation.tracking.origin import tags_of_origin
from ablation.tracking.outbox import ARTIFACTS, MAX_VALUE, Record
from ablation.tracking.patience import AwayError
from ablation.tracking.store import Study

#: Between two writes of a run's metrics.
FLUSH_SECONDS = 1.0


class RunLog:
    """One run in MLflow. Its methods return at once; one thread writes all in order.

    What a run has is written a second after it began, after each epoch that takes so long, and at
    the end.

    A store that is away is waited for. If it does not come back in time, a run that finishes is
    kept in the study's outbox, see `tracking.outbox`.
    """

    def __init__(
        self,
        study: Study,
        name: str,
        params: Mapping[str, object],
        tags: Mapping[str, str],
        claim: Claim | None = None,
    ) -> None:
        """
        Args:
            study: where it is logged.
            name: of the run.
            params: its factors and its resolved config.
            tags: besides those that say where it comes from.
            claim: that becomes this run; without a run of its own the run is created.
        """
        self._study = study
        known = {**tags_of_origin(), **tags}
        values = {key: str(value) for key, value in params.items()}
        held = claim or Claim()
        self._record = Record(
            name, held.run_id or "", values, {CLAIM: HELD, **known}, artifact_uri=held.artifact_uri
        )
        self._is_behind = self._has_ended = False
        self._flushed = time.monotonic()
        # The claim has these.
        self._left = outbox.Part(params=True, tags=known if held.run_id else {})
        self._pending: list[Future[None]] = []
        self._submit(self._start)
        # Of a run that takes less, all is written at its end: the store takes as long for one
        # metric as for a hundred.
        self._soon = threading.Timer(FLUSH_SECONDS, self._submit, (self._flush,))
        self._soon.daemon = True
        self._soon.start()

    @property
    def run_id(self) -> str:
        """MLflow's; empty until the run has been created."""
        return self._record.run_id

    def epoch(self, row: Mapping[str, float]) -> None:
        """Log an epoch's metrics.

        Args:
            row: the metrics, and "epoch", from 1.

        Raises:
            Exception: an earlier write failed, in the store's own way.
        """
        self._raise_early()
        metrics = {key: value for key, value in row.items() if key != "epoch"}
        self._submit(self._log, int(row["epoch"]), _now(), metrics)

    def finish(
        self,
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
        write_artifacts: Callable[[Path], None],
        when_kept: Callable[[], None] = lambda: None,
    ) -> None:
        """Log the artifacts, then the final metrics and tags, then mark the run as FINISHED.

        Args:
            metrics: the run's final ones.
            tags: what was checked in training.
            write_artifacts: writes the files into a folder that it is given.
            when_kept: is called once the run can't be lost any more.

        Raises:
            Exception: an earlier write failed, in the store's own way.
        """
        self._raise_early()
        self._submit(self._finish, metrics, tags, write_artifacts, when_kept)

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

    def _call(self, call: Callable[..., Any], *args: Any) -> Any:
        """A call of the store; None where it is away, and what is logged only kept for later."""
        if self._is_behind:
            return None
        try:
            return self._study.patience(call, *args)
        except AwayError:
            self._is_behind = True
            return None

    def _start(self) -> None:
        if not self._record.run_id:
            study = self._study
            self._call(outbox.create, study.client, study.experiment_id, self._record)

    def _log(self, step: int, at: int, metrics: Mapping[str, float]) -> None:
        self._record.rows.append((step, at, dict(metrics)))
        if time.monotonic() - self._flushed >= FLUSH_SECONDS:
            self._flush()

    def _flush(self) -> None:
        if self._has_ended:
            return
        self._flushed = time.monotonic()
        self._call(outbox.log, self._study.client, self._record, self._left)
        self._left = outbox.Part(first_row=len(self._record.rows), tags=dict(self._record.tags))

    def _finish(
        self,
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
        write_artifacts: Callable[[Path], None],
        when_kept: Callable[[], None],
    ) -> None:
        record, study = self._record, self._study
        self._end()
        folder = outbox.entry(study.outbox, record.name)
        try:
            write_artifacts(folder / ARTIFACTS)
        except BaseException:
            outbox.remove(folder)
            raise
        record.end = _now()
        record.rows.append((0, record.end, {key: float(value) for key, value in metrics.items()}))
        record.tags |= tags
        outbox.save(record, folder)
        when_kept()
        # Where the store was away, it lacks more than the end; then the outbox is delivered later.
        self._call(outbox.complete, study.client, record, folder, self._left)
        claims.release(study.client, self.run_id)

    def _end(self) -> None:
        """From here on nothing is written but what ends the run."""
        self._has_ended = True
        self._soon.cancel()

    def _fail(self, status: str, error: str, details: str) -> None:
        if not self.run_id:
            return
        # Whatever can't be logged, why the run failed is to be known.
        with contextlib.suppress(Exception):
            self._flush()
        self._end()
        client, now = self._study.client, _now()
        self._call(client.set_tag, self.run_id, "error", error[:MAX_VALUE])
        if details:
            self._call(client.log_text, self.run_id, details, "traceback.txt")
        self._call(client.set_terminated, self.run_id, status, now)
        claims.release(client, self.run_id)


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
