"""Results on their way to the store: they are on disk before they are delivered, so none is lost.

A run that has been trained is first written into a folder of its own, `run.json` and `artifacts/`,
and then delivered. What can't be delivered, because the store is away or the process ends, stays
there, and the next command of the study delivers it.
"""

import contextlib
import json
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablation.tracking import beside, store
from ablation.tracking.origin import HEARTBEAT, is_alive
from ablation.tracking.store import Identity, Study

if TYPE_CHECKING:
    from mlflow import MlflowClient

#: The file of a run, written last: a folder without it is of a run that was not finished.
RUN, ARTIFACTS = "run.json", "artifacts"
#: The longest value of a param or tag that every store accepts, and how many of them go at once.
MAX_VALUE, MAX_ENTITIES = 4_900, 100
#: How many metrics go at once beside them.
MAX_METRICS = 800
#: In seconds.
DAY = 86_400


@dataclass
class Record:
    """All that is logged of a run.

    Attributes:
        name: of the run.
        run_id: MLflow's; empty where it has not been created.
        artifact_uri: where its artifacts are to be; empty where that is not known.
        params: its factors and its resolved config.
        tags: all of them.
        rows: of each batch of metrics, its step, its time in ms since 1970, and the metrics.
        end: when it ended, in ms since 1970.
    """

    name: str
    run_id: str = ""
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    rows: list[tuple[int, int, dict[str, float]]] = field(default_factory=list)
    end: int = 0
    artifact_uri: str = ""


def entry(outbox: Path, name: str) -> Path:
    """A new folder for a run, with an empty folder for its artifacts."""
    folder = outbox / f"{name[:60]}-{uuid.uuid4().hex[:8]}"
    (folder / ARTIFACTS).mkdir(parents=True)
    return folder


def save(record: Record, folder: Path) -> None:
    """Write a run's record: from here on it is delivered whatever happens to this process."""
    fresh = folder / f"{RUN}.new"
    fresh.write_text(json.dumps(asdict(record)))
    fresh.replace(folder / RUN)


def deliver_waiting(study: Study) -> int:
    """Deliver what earlier commands could not, of processes that have ended.

    Args:
        study: whose outbox it is.

    Returns:
        How many runs were delivered. A run that has finished since is only removed.

    Raises:
        Exception: the store's own.
    """
    n_delivered = 0
    for record, folder in waiting(study.outbox):
        identity = Identity.of(record.tags)
        if identity and store.finished(study.client, study.experiment_id, identity) is not None:
            remove(folder)
            continue
        deliver(study.client, study.experiment_id, record, folder)
        n_delivered += 1
    return n_delivered


def deliver(client: "MlflowClient", experiment_id: str, record: Record, folder: Path) -> None:
    """Log a run with everything that it has, as FINISHED, and remove its folder.

    What the store has of it already is written again: the same values make no second entry.

    Args:
        client: of the store.
        experiment_id: of the study.
        record: of the run.
        folder: of the run.

    Raises:
        Exception: the store's own.
    """
    if not record.run_id:
        create(client, experiment_id, record)
        save(record, folder)
    else:
        # The study may have been moved since; the store knows where to.
        record.artifact_uri = ""
    complete(client, record, folder, Part(params=True))


@dataclass(frozen=True)
class Part:
    """What of a run is still to be logged.

    Attributes:
        params: whether its params are.
        first_row: the first batch of metrics that is.
        tags: those that have been logged.
    """

    params: bool = False
    first_row: int = 0
    tags: Mapping[str, str] = field(default_factory=dict)


def complete(client: "MlflowClient", record: Record, folder: Path, left: Part) -> None:
    """Log what is left of a run at its end, mark it as FINISHED, and remove its folder.

    Raises:
        Exception: the store's own.
    """
    _put_artifacts(client, record, folder / ARTIFACTS)
    log(client, record, left)
    client.set_terminated(record.run_id, "FINISHED", record.end)
    remove(folder)


def _put_artifacts(client: "MlflowClient", record: Record, source: Path) -> None:
    """Put a run's files where its artifacts are to be.

    Into a folder of this machine they are moved. MLflow, which would copy them, asks the store for
    the whole run first: together four times the work.
    """
    into = beside.local_folder(record.artifact_uri) if record.artifact_uri else None
    if into is None or not into.is_absolute():
        client.log_artifacts(record.run_id, str(source))
        return
    for file in [path for path in source.rglob("*") if path.is_file()]:
        target = into / file.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(file, target)


def create(client: "MlflowClient", experiment_id: str, record: Record) -> None:
    """Create the run in the store, and note its id and its place."""
    run = client.create_run(experiment_id, tags=shortened(record.tags), run_name=record.name)
    record.run_id, record.artifact_uri = run.info.run_id, run.info.artifact_uri


def log(client: "MlflowClient", record: Record, left: Part) -> None:
    """Log what is left of a run in as few calls as the store allows.

    Raises:
        Exception: the store's own.
    """
    from mlflow.entities import Metric, Param, RunTag

    params = [Param(key, value) for key, value in shortened(record.params).items()]
    params = params if left.params else []
    new = {key: value for key, value in record.tags.items() if left.tags.get(key) != value}
    tags = [RunTag(key, value) for key, value in shortened(new).items()]
    metrics = [
        Metric(key, float(value), at, step)
        for step, at, row in record.rows[left.first_row :]
        for key, value in row.items()
    ]
    while metrics or params or tags:
        client.log_batch(
            record.run_id,
            metrics[:MAX_METRICS],
            params[:MAX_ENTITIES],
            tags[:MAX_ENTITIES],
        )
        metrics = metrics[MAX_METRICS:]
        params, tags = params[MAX_ENTITIES:], tags[MAX_ENTITIES:]


def shortened(values: Mapping[str, Any]) -> dict[str, str]:
    """Values as text that every store accepts."""
    return {key: str(value)[:MAX_VALUE] for key, value in values.items()}


def waiting(outbox: Path) -> Iterator[tuple[Record, Path]]:
    """The runs that are to be delivered, of processes that have ended.

    What a process left that ended before its run was written is removed after a day.

    Args:
        outbox: of a study.
    """
    for folder in sorted(outbox.glob("*")) if outbox.is_dir() else ():
        file = folder / RUN
        if not file.is_file():
            if time.time() - folder.stat().st_mtime > DAY:
                remove(folder)
            continue
        values = json.loads(file.read_text())
        record = Record(**{**values, "rows": [tuple(row) for row in values["rows"]]})
        if not is_alive({**record.tags, HEARTBEAT: f"{file.stat().st_mtime:.0f}"}):
            yield record, folder


def remove(folder: Path) -> None:
    """Remove a run's folder, and the outbox once it is empty."""
    shutil.rmtree(folder, ignore_errors=True)
    # Not with its content: another process may just have put a run there.
    with contextlib.suppress(OSError):
        folder.parent.rmdir()
