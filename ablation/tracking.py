"""What is logged to MLflow, and under which names. With `artifacts`, all that talks to the store.

A study is one flat experiment. All writing is done by one thread beside the training, in order,
so that no training step waits for the store.
"""

import contextlib
import functools
import getpass
import json
import logging
import os
import shlex
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from ablation import artifacts, diverged
from ablation.config import ConfigError
from ablation.record import UNDER_WAY, Run

if TYPE_CHECKING:
    from mlflow import MlflowClient, entities

DEFAULT_URI = "sqlite:///mlflow.db"

#: Longest value of a param or tag that every store takes.
MAX_VALUE = 4_900


class TrackingError(ConfigError):
    """A store that can't be used; its text says which and why."""


def resolve_uri(configured: str | None) -> str:
    """The config's tracking URI, else MLFLOW_TRACKING_URI, else SQLite in this folder."""
    return configured or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_URI


@functools.lru_cache(maxsize=4)
def connect(uri: str) -> "MlflowClient":
    """A client of the store, which is created and brought up to date where that is needed.

    In a store that is a file and has moved, the places of its runs' artifacts are mended.

    Raises:
        TrackingError: the store can't be reached or used.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # a study reaches no other host
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    from mlflow import MlflowClient

    # Its messages on a new store (tables, migrations) are not for the users of this command.
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)

    try:
        client = MlflowClient(tracking_uri=uri)
        client.search_experiments(max_results=1)
    # Each kind of store fails in its own way.
    except Exception as error:
        raise TrackingError(
            f"tracking.uri={uri}: the MLflow store can't be used ({artifacts.brief(error)})"
        ) from error
    file = artifacts.database(uri)
    if file is not None:
        artifacts.mend(file)
    return client


def connect_existing(uri: str, option: str = "tracking.uri=") -> "MlflowClient":
    """As `connect`, for what only reads: MLflow itself would make an empty store.

    Args:
        option: how the person who asked names a store.

    Raises:
        TrackingError: there is no such store, or it can't be used.
    """
    file = artifacts.database(uri)
    if file is not None and not file.is_file():
        raise TrackingError(
            f"tracking.uri={uri}: there is no such file ({file}); start in the folder of the "
            f"study, or name its store, {option}sqlite:////FOLDER/mlflow.db"
        )
    return connect(uri)


def find_study(client: "MlflowClient", study: str) -> "entities.Experiment":
    """The experiment of a study.

    Raises:
        TrackingError: there is none; its text names those there are.
    """
    experiment = client.get_experiment_by_name(study)
    if experiment is None or experiment.lifecycle_stage != "active":
        names = sorted(e.name for e in client.search_experiments() if e.name != "Default")
        raise TrackingError(
            f"study={study}: the store has no such study; it has "
            + (", ".join(names) if names else "none")
        )
    return experiment


def open_study(client: "MlflowClient", study: str) -> str:
    """The id of the study's experiment, created where there is none; its runs are to be written.

    To be called in one process before others write to a new store.

    Raises:
        TrackingError: the study was deleted, or the store can't be written.
    """
    experiment = client.get_experiment_by_name(study)
    if experiment is None:
        experiment_id = client.create_experiment(study, tags={"made_by": "ablation"})
        experiment = client.get_experiment(experiment_id)
    if experiment.lifecycle_stage != "active":
        raise TrackingError(
            f"study={study}: was deleted in MLflow; `mlflow experiments restore -x "
            f"{experiment.experiment_id}` brings it back, or choose another name"
        )
    experiment_id = str(experiment.experiment_id)
    file = artifacts.database(client.tracking_uri)
    try:
        if file is not None:
            artifacts.keep_beside(file, experiment_id)
    except sqlite3.OperationalError as error:
        raise TrackingError(
            f"tracking.uri={client.tracking_uri}: the store can't be written ({error})"
        ) from error
    return experiment_id


def search(
    client: "MlflowClient", experiment_id: str, filter_string: str = ""
) -> "list[entities.Run]":
    """Every run of a study, oldest first; MLflow gives them in pages of 1,000."""
    runs: list[entities.Run] = []
    token: str | None = None
    while True:
        page = client.search_runs(
            [experiment_id],
            filter_string=filter_string,
            max_results=1000,
            order_by=["attributes.start_time ASC"],
            page_token=token,
        )
        runs += page
        token = page.token
        if not token:
            return runs


def as_record(run: "entities.Run") -> Run:
    """A run as a plain record; one that is under way and whose process is gone is KILLED."""
    return Run(
        id=run.info.run_id,
        name=run.info.run_name or run.info.run_id,
        status="KILLED" if _is_dead(run) else run.info.status,
        start=run.info.start_time,
        end=run.info.end_time,
        params=run.data.params,
        metrics=run.data.metrics,
        tags=run.data.tags,
    )


@dataclass(frozen=True)
class Identity:
    """What makes two runs the same: config, pictures and weights."""

    fingerprint: str
    data_digest: str
    weights_digest: str

    def tags(self) -> dict[str, str]:
        return dict(vars(self))

    def filter(self) -> str:
        return " and ".join(f"tags.{key} = '{value}'" for key, value in self.tags().items())


def finished(
    client: "MlflowClient", experiment_id: str, identity: Identity
) -> "entities.Run | None":
    """The finished run of this identity, if the store has one; not one that diverged."""
    query = f"{identity.filter()} and attributes.status = 'FINISHED'"
    runs = client.search_runs([experiment_id], filter_string=query)
    return next((run for run in runs if not diverged.reason(as_record(run))), None)


class RunLog:
    """One run in MLflow, written beside the training."""

    def __init__(
        self,
        client: "MlflowClient",
        experiment_id: str,
        name: str,
        params: Mapping[str, object],
        tags: Mapping[str, str],
    ) -> None:
        self._client = client
        self.run_id = ""
        self._pending: list[Future[None]] = []
        self._submit(self._start, experiment_id, name, params, {**_origin(), **tags})

    def epoch(self, row: Mapping[str, float]) -> None:
        """An epoch's metrics, in one batch; raises what an earlier write raised."""
        self._raise_early()
        step, now = int(row["epoch"]), _now()
        self._submit(self._log, {k: v for k, v in row.items() if k != "epoch"}, {}, step, now)

    def finish(
        self,
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
        write_artifacts: Callable[[Path], None],
    ) -> None:
        """Artifacts, then the final metrics; only then is the run marked as finished."""
        self._raise_early()
        self._submit(self._finish, metrics, tags, write_artifacts)

    def fail(self, status: str, error: str, details: str = "") -> None:
        """Mark the run as FAILED or KILLED, with the reason as a tag."""
        self._submit(self._fail, status, error, details)

    def wait(self) -> None:
        """Until all is written; raises what a write raised."""
        pending, self._pending = self._pending, []
        for future in pending:
            future.result()

    def _submit(self, task: Callable[..., None], *args: Any) -> None:
        self._pending.append(_writer().submit(task, *args))

    def _raise_early(self) -> None:
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
    return ThreadPoolExecutor(1, thread_name_prefix="tracking")


def flush() -> None:
    """Until all that was given to be written is; what could not be is `RunLog.wait`'s to raise."""
    _writer().submit(lambda: None).result()


def is_alive(tags: Mapping[str, str]) -> bool:
    """Whether the process that wrote a RUNNING run still runs; True where that can't be known."""
    if tags.get("host") != socket.gethostname() or "process" not in tags:
        return True
    pid, _, started = tags["process"].partition("@")
    try:
        return f"{psutil.Process(int(pid)).create_time():.2f}" == started
    except (psutil.NoSuchProcess, ValueError):
        return False


def _is_dead(run: "entities.Run") -> bool:
    return run.info.status in UNDER_WAY and not is_alive(run.data.tags)


def close_dead(client: "MlflowClient", experiment_id: str) -> int:
    """Mark as KILLED the runs whose process is gone, which would be RUNNING for ever.

    Returns:
        How many there were.
    """
    running = search(client, experiment_id, "attributes.status = 'RUNNING'")
    dead = [run for run in running if _is_dead(run)]
    for run in dead:
        client.set_tag(run.info.run_id, "error", "its process ended without a word")
        client.set_terminated(run.info.run_id, "KILLED")
    return len(dead)


def _origin() -> dict[str, str]:
    """Where a run comes from: the command, the code, the machine, the versions."""
    process = psutil.Process()
    commit, is_dirty = code_version()
    return {
        "command": command_line(),
        "code_commit": commit,
        "code_dirty": str(is_dirty).lower(),
        "versions": json.dumps(versions()),
        "host": socket.gethostname(),
        "process": f"{process.pid}@{process.create_time():.2f}",
        "mlflow.user": _user(),
        "mlflow.source.name": "python -m ablation",
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": commit,
    }


def command_line(arguments: Sequence[str] | None = None) -> str:
    """The command as it was typed; kept for child processes in ABLATION_COMMAND."""
    if arguments is not None:
        os.environ["ABLATION_COMMAND"] = f"python -m ablation {shlex.join(arguments)}".strip()
    return os.environ.get("ABLATION_COMMAND", shlex.join(sys.argv))


@functools.cache
def code_version() -> tuple[str, bool]:
    """The commit of this code, or its release, and whether files differ from it."""
    root = Path(__file__).resolve().parent.parent

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", "ablation/tracking.py")
        return git("rev-parse", "HEAD"), bool(git("status", "--porcelain", "ablation", "conf"))
    except (OSError, subprocess.CalledProcessError):
        return f"release {metadata.version('ablation')}", False


@functools.cache
def versions() -> dict[str, str]:
    """The versions that a result may depend on."""
    packages = ("torch", "torchvision", "timm", "numba", "numpy", "pillow", "mlflow", "hydra-core")
    found = {"python": sys.version.split()[0]}
    for name in packages:
        with contextlib.suppress(metadata.PackageNotFoundError):  # numba lags behind new Pythons
            found[name] = metadata.version(name)
    return found


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return str(os.getuid())


def _now() -> int:
    return int(time.time() * 1000)


def chunks(text: str, size: int = MAX_VALUE) -> Iterator[str]:
    """A long text in parts that fit into tags."""
    for first in range(0, len(text), size):
        yield text[first : first + size]
