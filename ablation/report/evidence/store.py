"""The evidence on a study in its MLflow store, with what its runs left as artifacts."""

import csv
import io
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from ablation import process
from ablation.report.evidence.source import Found, History
from ablation.study.ledger import Plan
from ablation.study.record import Run
from ablation.tracking import plans
from ablation.tracking.artifacts import ArtifactError, Artifacts
from ablation.tracking.store import as_record, find_study, search
from ablation.training import predictions
from ablation.training.predictions import PredictionError, Predictions

if TYPE_CHECKING:
    from mlflow import MlflowClient


T = TypeVar("T")

HISTORY = "history.csv"

#: The folder of the pictures.
FOLDER = "data.root"
#: Settings that name places on a machine. A report leaves them out unless they were swept.
PLACES = (FOLDER, "model.weights", "tracking.uri", "cache.folder", "results")
#: Tags that name a machine; MLflow's own name a person, too.
MACHINE, MLFLOW = ("host", "process"), "mlflow."

#: As many runs' artifacts are read at once, each in a thread.
THREADS = 16


class Stored:
    """The evidence on a study in an MLflow store; see `source.Evidence`."""

    def __init__(self, client: "MlflowClient", study: str) -> None:
        """Read everything except the artifacts.

        Raises:
            TrackingError: the store has no such study.
        """
        experiment = find_study(client, study)
        found = search(client, experiment.experiment_id)
        self.study = study
        self.plans: Sequence[Plan] = plans.plans(experiment)
        swept = {axis for plan in self.plans for axis in plan.axes}
        self.runs: Sequence[Run] = [_public(as_record(run), swept) for run in found]
        known = ((run.info.run_id, run.data.params.get(FOLDER)) for run in found)
        self.folders: Mapping[str, str] = {
            run_id: folder for run_id, folder in known if folder not in (None, "None")
        }
        self._locations = {run.info.run_id: run.info.artifact_uri for run in found}
        self._artifacts = Artifacts(client)

    def predictions(
        self, run_ids: Collection[str], split: str, with_probabilities: bool = False
    ) -> Found[Predictions]:
        """The runs' predictions of each picture of a split."""
        names = (split + predictions.PARQUET, split + predictions.CSV)

        def read(path: Path) -> Predictions:
            if path.name == names[0]:
                return predictions.from_parquet(path, with_probabilities)
            return predictions.from_csv(path.read_text(encoding="utf-8"))

        return self._each(run_ids, names, read)

    def histories(self, run_ids: Collection[str]) -> Found[History]:
        """Runs' metrics by epoch."""
        return self._each(run_ids, (HISTORY,), _history)

    def _each(
        self, run_ids: Collection[str], names: Sequence[str], read: Callable[[Path], T]
    ) -> Found[T]:
        """Read the first of these artifacts that each run has, several runs at a time."""
        found: dict[str, T] = {}
        unreadable: dict[str, str] = {}

        def attempt(run_id: str) -> T | str:
            try:
                location = self._locations[run_id]
                folder = Path(place) / run_id
                return read(self._artifacts.first(run_id, location, names, folder))
            except (ArtifactError, PredictionError, OSError, UnicodeError) as error:
                return str(error)

        with tempfile.TemporaryDirectory() as place, ThreadPoolExecutor(THREADS) as pool:
            values = process.results(pool, attempt, run_ids)
            for run_id, value in zip(run_ids, values, strict=True):
                if isinstance(value, str):
                    unreadable[run_id] = value
                else:
                    found[run_id] = value
        return Found(found, unreadable)


def _public(run: Run, swept: Collection[str]) -> Run:
    """A run without what names a machine or a person: the evidence can be given away."""
    params = {k: v for k, v in run.params.items() if k not in PLACES or k in swept}
    tags = {k: v for k, v in run.tags.items() if k not in MACHINE and not k.startswith(MLFLOW)}
    return replace(run, params=params, tags=tags)


def _history(path: Path) -> History:
    rows = csv.reader(io.StringIO(path.read_text(encoding="utf-8")))
    header, *content = [row for row in rows if row] or [[]]
    try:
        # What was not logged in an epoch is empty.
        columns = zip(*([float(text or "nan") for text in row] for row in content), strict=True)
        found = {name: np.array(values) for name, values in zip(header, columns, strict=True)}
    except ValueError as error:
        raise ArtifactError(f"{path.name} can't be understood ({error})") from error
    if not {"epoch", "val/accuracy"} <= set(found):
        raise ArtifactError(f"{path.name} has no epochs with their validation accuracy")
    return found
