"""How a study is looked at in MLflow's own UI: a saved view with its factors and accuracies.

By itself the UI shows no params and no metrics among some ninety columns. A saved view is what
its "Views" button lists; an MLflow that knows no such views ignores it.
"""

import json
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient


#: The tag that MLflow's UI keeps a view under, and the view's key in an address.
TAG, KEY = "mlflow.sharedViewState.", "study"
NAME = "Factors and accuracy"

#: Shown of each run, the first also to sort by; a metric that a study lacks is left out by the UI.
METRICS = ("best_val_accuracy", "best_epoch", "last_val_accuracy", "test_accuracy", "train_seconds")


def save_view(client: "MlflowClient", experiment_id: str, axes: Iterable[str]) -> None:
    """Leave the view with the study's experiment, in place of the one before.

    Args:
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
    """Where the view is, below the address of `mlflow ui`."""
    return (
        f"/#/experiments/{experiment_id}/runs?workflowType=machine_learning&viewStateShareKey={KEY}"
    )
