"""What is logged to MLflow, and under which names. With `artifacts`, all that talks to the store.

A study is one flat experiment. All writing is done by one thread beside the training, in order,
so that no training step waits for the store.
"""

import functools
import logging
import os
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ablation.errors import ConfigError
from ablation.study import diverged
from ablation.study.record import UNDER_WAY, Run
from ablation.tracking import artifacts
from ablation.tracking.origin import is_alive

if TYPE_CHECKING:
    from mlflow import MlflowClient, entities


DEFAULT_URI = "sqlite:///mlflow.db"


@dataclass(frozen=True)
class Study:
    """Where the runs of a study are logged: a client of the store, and the experiment's id."""

    client: "MlflowClient"
    experiment_id: str


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
