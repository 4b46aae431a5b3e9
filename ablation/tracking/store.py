"""The MLflow store: how it is reached, its studies and the runs that it holds.

A study is one flat experiment: MLflow's UI hides nested runs.
"""

import contextlib
import functools
import logging
import os
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Self

from ablation import locks
from ablation.errors import ConfigError, first_line
from ablation.study import diverged
from ablation.study.record import UNDER_WAY, Run
from ablation.tracking import beside, fresh
from ablation.tracking.origin import is_alive, is_own
from ablation.tracking.patience import Patience

if TYPE_CHECKING:
    from mlflow import MlflowClient, entities


DEFAULT_URI = "sqlite:///mlflow.db"
#: The environment variable in which MLflow itself, and a worker of a launcher, finds the store.
URI_VARIABLE = "MLFLOW_TRACKING_URI"


#: The folder, in that of a study's report, of results that are on their way to the store.
OUTBOX = "outbox"


@dataclass(frozen=True)
class Study:
    """Where the runs of a study are logged.

    Attributes:
        client: of the store.
        experiment_id: MLflow's of the study.
        outbox: the folder of results that are on their way to the store.
        patience: how long a store is waited for that is away.
        before: the runs that had finished when the command started, each with its best validation
            accuracy; None where the store is asked for each run.
    """

    client: "MlflowClient"
    experiment_id: str
    outbox: Path = Path(tempfile.gettempdir()) / "ablation-outbox"
    patience: Patience = field(default_factory=Patience)
    before: "Mapping[Identity, float] | None" = None

    def finished_before(self, identity: "Identity") -> float | None:
        """The best validation accuracy of a run that has finished; None where none is known of.

        Raises:
            AwayError: the store was away and did not come back in time.
        """
        if self.before is not None:
            return self.before.get(identity)
        run = self.patience(finished, self.client, self.experiment_id, identity)
        return None if run is None else accuracy(run)


class TrackingError(ConfigError):
    """A store that can't be used; its text says which and why."""


def resolve_uri(configured: str | None) -> str:
    """The config's tracking URI, else MLFLOW_TRACKING_URI, else SQLite in this folder."""
    return configured or os.environ.get(URI_VARIABLE) or DEFAULT_URI


def tell_workers(uri: str) -> None:
    """Let the worker processes that are started from here find the store."""
    os.environ[URI_VARIABLE] = uri


@functools.lru_cache(maxsize=4)
def connect(uri: str) -> "MlflowClient":
    """A client of the store. The store is created, or brought up to date, where that is needed.

    If it is a file that was moved, the recorded places of its runs' artifacts are corrected. A
    process keeps its clients, because each opens a pool of connections.

    Raises:
        TrackingError: the store can't be reached or used.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # a study contacts no other host
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    from mlflow import MlflowClient

    # Its messages on a new store (tables, migrations) are not for the users of this command.
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # It prints the whole traceback of an error that is told in a line here.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)

    file = beside.database(uri)
    try:
        # Two processes that create the tables of a SQLite store at once would both fail.
        with locks.alone(file) if file else contextlib.nullcontext():
            if file is not None and not file.exists() and fresh.is_plain(uri, file):
                fresh.make(file)
            client = MlflowClient(tracking_uri=uri)
            client.search_experiments(max_results=1)
    # Each kind of store fails in its own way.
    except Exception as error:
        raise TrackingError(
            f"tracking.uri={uri}: the MLflow store can't be used ({first_line(error)})"
            + _missing_driver(uri, error)
        ) from error
    if file is not None:
        beside.mend(file)
    return client


def _missing_driver(uri: str, error: Exception) -> str:
    """What to install where Python can't speak with a database."""
    lacks = "No module named" in str(error) or isinstance(error, ModuleNotFoundError)
    if uri.startswith("postgres") and lacks:
        return '; `pip install "ablation[postgres]"` installs what speaks with PostgreSQL'
    return ""


def connect_existing(uri: str, option: str = "tracking.uri=") -> "MlflowClient":
    """As `connect`, for commands that only read: MLflow itself would create an empty store.

    Args:
        uri: of the store.
        option: what a person types before the URI to name another store.

    Raises:
        TrackingError: there is no such store, or it can't be used.
    """
    file = beside.database(uri)
    if file is not None and not file.is_file():
        raise TrackingError(
            f"tracking.uri={uri}: there is no such file ({file}); start in the folder of the "
            f"study, or name its store, {option}sqlite:////FOLDER/mlflow.db"
        )
    return connect(uri)


def find_study(client: "MlflowClient", study: str) -> "entities.Experiment":
    """The experiment of a study.

    Args:
        study: its name.

    Raises:
        TrackingError: there is no such study; its text names those that there are.
    """
    experiment = client.get_experiment_by_name(study)
    if experiment is None or experiment.lifecycle_stage != "active":
        names = sorted(e.name for e in client.search_experiments() if e.name != "Default")
        raise TrackingError(
            f"study={study}: the store has no such study; it has "
            + (", ".join(names) if names else "none")
        )
    return experiment


def open_study(
    client: "MlflowClient", study: str, results: Path | None = None, patience: float = 300.0
) -> Study:
    """The study in the store, created where there is none, so that runs can be logged to it.

    Args:
        client: of the store.
        study: its name.
        results: the folder of all reports, where results are kept until they are delivered; None
            keeps them in a temporary folder.
        patience: seconds that a store is waited for that is away.

    Raises:
        TrackingError: the study was deleted, or the store can't be written.
    """
    experiment = client.get_experiment_by_name(study) or _created(client, study)
    if experiment.lifecycle_stage != "active":
        raise TrackingError(
            f"study={study}: was deleted in MLflow; `mlflow experiments restore -x "
            f"{experiment.experiment_id}` brings it back, or choose another name"
        )
    experiment_id = str(experiment.experiment_id)
    file = beside.database(client.tracking_uri)
    try:
        if file is not None:
            beside.keep_beside(file, experiment_id)
    except sqlite3.OperationalError as error:
        raise TrackingError(
            f"tracking.uri={client.tracking_uri}: the store can't be written ({error})"
        ) from error
    if results is None:
        return Study(client, experiment_id, patience=Patience(patience))
    return Study(client, experiment_id, results / study / OUTBOX, Patience(patience))


def _created(client: "MlflowClient", study: str) -> "entities.Experiment":
    from mlflow.exceptions import MlflowException

    try:
        return client.get_experiment(client.create_experiment(study, tags={"made_by": "ablation"}))
    except MlflowException:
        # Another process may have created it since.
        experiment = client.get_experiment_by_name(study)
        if experiment is None:
            raise
        return experiment


def search(
    client: "MlflowClient", experiment_id: str, filter_string: str = ""
) -> "list[entities.Run]":
    """Every run of a study, the oldest first.

    Args:
        filter_string: which of them, in MLflow's language of queries.
    """
    return list(_search(client, experiment_id, filter_string))


def _search(
    client: "MlflowClient", experiment_id: str, filter_string: str
) -> "Iterator[entities.Run]":
    token: str | None = None
    while True:
        page = client.search_runs(
            [experiment_id],
            filter_string=filter_string,
            max_results=1000,
            order_by=["attributes.start_time ASC"],
            page_token=token,
        )
        yield from page
        token = page.token
        if not token:
            return


def newest_finished(client: "MlflowClient") -> "entities.Run | None":
    """The run of any study that finished last; None where no run has finished."""
    runs = client.search_runs(
        [experiment.experiment_id for experiment in client.search_experiments()],
        # Runs of other programs lack this metric.
        "attributes.status = 'FINISHED' and metrics.best_val_accuracy >= 0",
        max_results=1,
        order_by=["attributes.end_time DESC"],
    )
    return next(iter(runs), None)


def find_run(client: "MlflowClient", run_id: str) -> "entities.Run | None":
    """The run of an id; None where the store has no such run."""
    from mlflow.exceptions import MlflowException

    try:
        return client.get_run(run_id)
    except MlflowException:
        return None


def as_record(run: "entities.Run") -> Run:
    """A run as a plain record. One that was RUNNING when its process ended is KILLED."""
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
    """What makes two runs the same: config, pictures and weights; and how the network is cut into
    stages, where that matters and is not as it always was."""

    fingerprint: str
    data_digest: str
    weights_digest: str
    stages: str = ""

    @classmethod
    def of(cls, tags: Mapping[str, str]) -> "Self | None":
        """The identity that a run was logged under; None where its pictures were never read."""
        if not {"fingerprint", "data_digest", "weights_digest"} <= set(tags):
            return None
        return cls(**{item.name: tags[item.name] for item in fields(cls) if item.name in tags})

    def tags(self) -> dict[str, str]:
        """The tags under which it is logged."""
        return {key: value for key, value in vars(self).items() if value}

    def filter(self) -> str:
        """The query that finds the runs of this identity."""
        return " and ".join(f"tags.{key} = '{value}'" for key, value in self.tags().items())


def finished(
    client: "MlflowClient", experiment_id: str, identity: Identity
) -> "entities.Run | None":
    """The finished run of this identity that did not diverge, if the study has one."""
    query = f"{identity.filter()} and attributes.status = 'FINISHED'"
    return first_finished(client.search_runs([experiment_id], filter_string=query))


def all_finished(client: "MlflowClient", experiment_id: str) -> dict[Identity, float]:
    """The best validation accuracy of every finished run that did not diverge."""
    found: dict[Identity, float] = {}
    for run in _search(client, experiment_id, "attributes.status = 'FINISHED'"):
        identity = Identity.of(run.data.tags)
        if identity is not None and not diverged.reason(as_record(run)):
            found.setdefault(identity, accuracy(run))
    return found


def accuracy(run: "entities.Run") -> float:
    """A run's best validation accuracy, 0..1; 0 where it has none."""
    return float(run.data.metrics.get("best_val_accuracy", 0.0))


def first_finished(runs: "Iterable[entities.Run]") -> "entities.Run | None":
    """The first of some runs that has finished and did not diverge."""
    done = (run for run in runs if run.info.status == "FINISHED")
    return next((run for run in done if not diverged.reason(as_record(run))), None)


def _is_dead(run: "entities.Run") -> bool:
    return run.info.status in UNDER_WAY and not is_alive(run.data.tags)


def close_dead(client: "MlflowClient", experiment_id: str, *, has_stopped: bool = False) -> int:
    """Mark as KILLED the runs whose process has ended, which would otherwise stay RUNNING.

    Args:
        client: of the store.
        experiment_id: of the study.
        has_stopped: whether this process trains nothing any more, so that its own runs that are
            still under way are closed, too: those that it had only just claimed.

    Returns:
        How many there were.
    """
    n_closed = 0
    for run in search(client, experiment_id, "attributes.status = 'RUNNING'"):
        if _is_dead(run):
            reason = "its process ended without an error message"
        elif has_stopped and is_own(run.data.tags, with_workers=False):
            reason = "its command ended before it had finished"
        else:
            continue
        client.set_tag(run.info.run_id, "error", reason)
        client.set_terminated(run.info.run_id, "KILLED")
        n_closed += 1
    return n_closed
