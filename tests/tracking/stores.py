"""Stores on disk that tests make and move."""

import shutil
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run

from ablation.tracking import runlog, store
from tests.report.made_up import _empty_database


def make_store(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return Path(shutil.copy(_empty_database(), folder / "mlflow.db"))


def client_of(folder: Path) -> MlflowClient:
    store.connect.cache_clear()
    # SQLAlchemy reads an address's escapes; the folder's name may look like some.
    name = str(folder / "mlflow.db").replace("%", "%25").replace("?", "%3F")
    return store.connect(f"sqlite:///{name}")


def train(client: MlflowClient, name: str, study: str = "s") -> None:
    """A finished run whose one artifact holds its name."""

    def write(folder: Path) -> None:
        (folder / "name.txt").write_text(name)

    log = runlog.RunLog(store.open_study(client, study), name, {}, {})
    log.finish({}, {}, write)
    log.wait()


def runs(client: MlflowClient, study: str = "s") -> list[Run]:
    return store.search(client, store.find_study(client, study).experiment_id)
