"""Who trains a run: a process claims it in the store first, so that each run is trained once.

A claim is the run itself, under way, with tags that say whose it is. A process creates its claim
and then looks for others on the same run. As each process creates before it looks, of two at least
one sees the other; the one that must give up deletes its claim. A claim whose owner is dead counts
for nothing: of an owner on this machine that is known at once, of one on another machine by the
heartbeat, a tag that a living owner renews.
"""

import functools
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ablation import process
from ablation.study.record import UNDER_WAY
from ablation.tracking import store
from ablation.tracking.origin import HEARTBEAT, tags_of_origin
from ablation.tracking.store import Identity, Study

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

#: The tag that says how far a claim is: PENDING until no other is seen, then HELD.
CLAIM, PENDING, HELD = "claim", "pending", "held"
#: The tag that says which call made a claim.
TOKEN = "claim_token"
#: Seconds between two heartbeats, and between two looks at another claim that is pending.
BEAT_SECONDS, LOOK_SECONDS = 30.0, 0.1


@dataclass(frozen=True)
class Claim:
    """What came of a claim.

    Attributes:
        run_id: of the run that this process is to train; None where it is not to.
        artifact_uri: where its artifacts are to be; empty where that is not known.
        finished: the best validation accuracy of the run where it has finished before; else None.
    """

    run_id: str | None = None
    artifact_uri: str = ""
    finished: float | None = None


def take(
    study: Study, name: str, identity: Identity, *, rerun: bool = False, token: str = ""
) -> Claim:
    """Claim a run, unless it has finished or another process is training it.

    Args:
        study: where it is logged.
        name: of the run.
        identity: what makes two runs the same.
        rerun: whether it is trained again where it has finished.
        token: the same where a call is repeated whose answer was lost: its claim is taken back.

    Raises:
        Exception: the store's own.
    """
    client, experiment_id = study.client, study.experiment_id
    # A claim that is half made would stand in the way of others while this process lives.
    with process.uninterrupted():
        tags = {**tags_of_origin(), **identity.tags(), CLAIM: PENDING, TOKEN: token}
        info = client.create_run(experiment_id, tags=tags, run_name=name).info
        own = info.run_id
        while True:
            others = store.search(client, experiment_id, identity.filter())
            others = [run for run in others if run.info.run_id != own]
            for run in [run for run in others if token and run.data.tags.get(TOKEN) == token]:
                client.delete_run(run.info.run_id)
                others.remove(run)
            before = None if rerun else store.first_finished(others)
            alive = [run for run in others if _is_alive(run)]
            if before is None and not alive:
                _heart(client).hold(own)
                return Claim(own, info.artifact_uri)
            if before is not None or any(_goes_first(run, own) for run in alive):
                client.delete_run(own)
                return Claim(finished=None if before is None else store.accuracy(before))
            time.sleep(LOOK_SECONDS)


def release(client: "MlflowClient", run_id: str) -> None:
    """No longer renew the heartbeat of a run: it has ended."""
    _heart(client).release(run_id)


def _is_alive(run: "Run") -> bool:
    return run.info.status in UNDER_WAY and store.as_record(run).status in UNDER_WAY


def _goes_first(other: "Run", own: str) -> bool:
    """Whether another claim is held, or is to be where both are pending."""
    is_pending = other.data.tags.get(CLAIM) == PENDING
    return not is_pending or other.info.run_id < own


class _Heart:
    """Renews the heartbeats of the runs that this process trains, in a thread of its own."""

    def __init__(self, client: "MlflowClient") -> None:
        self._client = client
        self._held: set[str] = set()
        self._thread: threading.Thread | None = None

    def hold(self, run_id: str) -> None:
        self._held.add(run_id)
        if self._thread is None:
            self._thread = threading.Thread(target=self._beat, daemon=True, name="heartbeat")
            self._thread.start()

    def release(self, run_id: str) -> None:
        self._held.discard(run_id)

    def _beat(self) -> None:
        while True:
            time.sleep(BEAT_SECONDS)
            for run_id in tuple(self._held):
                try:
                    self._client.set_tag(run_id, HEARTBEAT, f"{time.time():.0f}")
                # A store that is away for a while: the next beat may reach it.
                except Exception:
                    break


@functools.lru_cache(maxsize=4)
def _heart(client: "MlflowClient") -> _Heart:
    return _Heart(client)
