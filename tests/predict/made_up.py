"""A finished study, and runs made from it, that the tests of predictions share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Run

from ablation.tracking import store

#: What is frozen, cut in the middle, or trained whole; statistics that stay, and that move.
SWEEP = ["transfer=frozen,partial,full", "transfer.freeze_statistics=true,false"]
CELLS = [
    f"{transfer}-{statistics}"
    for transfer in ("frozen", "partial", "full")
    for statistics in ("still", "moving")
]
FROZEN = CELLS[0]

#: The command in this process: its arguments → its exit code, what it printed, its complaints.
Call = Callable[..., tuple[int, str, str]]


@dataclass
class Trained:
    """A finished study whose pictures have moved.

    Attributes:
        folder: of the store.
        pictures: of the validation pictures, class by class.
        runs: by cell.
    """

    folder: Path
    pictures: Path
    runs: Mapping[str, Run]

    @property
    def uri(self) -> str:
        return f"sqlite:///{self.folder / 'mlflow.db'}"

    @property
    def client(self) -> MlflowClient:
        return store.connect(self.uri)

    def predictions(self, cell: str) -> pd.DataFrame:
        folder = Path(self.runs[cell].info.artifact_uri.removeprefix("file://"))
        return pd.read_csv(folder / "predictions.csv")


def made_run(
    client: MlflowClient, study: str, accuracy: float = 0.5, status: str = "FINISHED"
) -> str:
    """A run that only the store knows."""
    experiment = client.get_experiment_by_name(study)
    experiment_id = experiment.experiment_id if experiment else client.create_experiment(study)
    run = client.create_run(experiment_id, run_name=f"made-{accuracy}")
    client.log_metric(run.info.run_id, "best_val_accuracy", accuracy)
    client.set_terminated(run.info.run_id, status)
    return str(run.info.run_id)


def copied_run(trained: Trained, without: str = "", tags: Mapping[str, str] | None = None) -> Run:
    """The first run once more, as far as wanted."""
    client, original = trained.client, trained.runs[FROZEN]
    run_id = made_run(client, "copies")
    for key, value in {**original.data.tags, **(tags or {})}.items():
        client.set_tag(run_id, key, value)
    for path in Path(original.info.artifact_uri.removeprefix("file://")).iterdir():
        if path.is_file() and path.name != without:
            client.log_artifact(run_id, str(path))
    return client.get_run(run_id)
