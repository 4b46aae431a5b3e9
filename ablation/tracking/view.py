"""A saved view of a study in MLflow's own UI, with its factors and accuracies as columns.

Without one the UI hides all params and metrics among some ninety columns. The "Views" button lists
the saved views. Their format is not documented: it is used here alone, and
`tests/tracking/test_view.py` says what a new version of MLflow has changed.
"""

import json
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient


#: The experiment's tag in which the UI keeps a view is TAG + KEY; KEY is any name.
TAG, KEY = "mlflow.sharedViewState.", "study"
#: The parameters of the UI's address that choose the view and the page of trained models.
KEY_PARAMETER, PAGE_PARAMETER = "viewStateShareKey", "workflowType=machine_learning"
#: The view's name in the UI.
NAME = "Factors and accuracy"

#: The columns, the first also to sort by; the UI leaves out a metric that the study does not have.
METRICS = ("best_val_accuracy", "best_epoch", "last_val_accuracy", "test_accuracy", "train_seconds")


def save_view(client: "MlflowClient", experiment_id: str, axes: Iterable[str]) -> None:
    """Save the view with the study's experiment; it replaces the one before.

    Args:
        client: of the store.
        experiment_id: of the study.
        axes: what is swept, as on the command line; without any, the usual factors are shown.
    """
    factors = [axis.lstrip("+") for axis in axes] or ["transfer", "reg", "optimizer"]
    params = [f"params.`{name}`" for name in factors]
    metrics = [f"metrics.`{name}`" for name in METRICS]
    state = {
        "selectedColumns": params + metrics,
        "columnOrder": params + metrics,
        # In pixels: wide enough for the names.
        "columnWidths": dict.fromkeys(params + metrics, 150),
        "orderByKey": metrics[0],
        "orderByAsc": False,
    }
    now = int(time.time() * 1000)
    view = {"name": NAME, "createdAt": now, "updatedAt": now, "state": json.dumps(state)}
    client.set_experiment_tag(experiment_id, TAG + KEY, json.dumps(view))


def address(experiment_id: str) -> str:
    """The address of the view, to be added to that of `mlflow ui`."""
    return f"/#/experiments/{experiment_id}/runs?{PAGE_PARAMETER}&{KEY_PARAMETER}={KEY}"
