"""Which finished run predicts."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ablation.predict.classifier import PredictError

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run


def best_run(client: "MlflowClient", study: str | None = None) -> "Run":
    """The run of the highest best validation accuracy; of several, the earliest.

    Args:
        study: where to look; without one, the study of the newest finished run.

    Raises:
        ConfigError: no such study, or none of its runs finished without having diverged.
    """
    from ablation.study import diverged
    from ablation.tracking import store as tracking

    # Only what this framework finished has this metric.
    finished = "attributes.status = 'FINISHED' and metrics.best_val_accuracy >= 0"
    if study is not None:
        experiments = [tracking.find_study(client, study).experiment_id]
    else:
        everywhere = [experiment.experiment_id for experiment in client.search_experiments()]
        newest = client.search_runs(
            everywhere, finished, max_results=1, order_by=["attributes.end_time DESC"]
        )
        experiments = [run.info.experiment_id for run in newest]
    n_diverged = 0
    for run in _by_accuracy(client, experiments, finished):
        # MLflow can't be asked for losses that are finite.
        if not diverged.reason(tracking.as_record(run)):
            return run
        n_diverged += 1
    where = f"study={study}" if study is not None else "best"
    why = f", but {n_diverged} that diverged" if n_diverged else ""
    raise PredictError(f"{where}: no run has finished{why}")


def _by_accuracy(client: "MlflowClient", experiments: list[str], query: str) -> "Iterator[Run]":
    """The best first; of equal ones the earliest."""
    order = ["metrics.best_val_accuracy DESC", "attributes.start_time ASC"]
    token: str | None = None
    while experiments:
        page = client.search_runs(
            experiments, query, max_results=50, order_by=order, page_token=token
        )
        yield from page
        token = page.token
        if not token:
            return


def finished_run(client: "MlflowClient", run_id: str) -> "Run":
    """A run by its id.

    Raises:
        PredictError: there is none, it was deleted, it did not finish, or it diverged.
    """
    from mlflow.exceptions import MlflowException

    from ablation.study import diverged
    from ablation.tracking import store as tracking

    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        raise PredictError(
            f"{run_id}: the store has no run of this id; MLflow's UI shows it on the run's page "
            "(`best` takes a study's best run)"
        ) from error
    if run.info.lifecycle_stage != "active":
        raise PredictError(f"{run_id}: this run was deleted in MLflow")
    if run.info.status != "FINISHED":
        reason = run.data.tags.get("error")
        raise PredictError(
            f"{run_id}: the run {run.info.run_name} did not finish, it is {run.info.status}"
            + (f" ({reason})" if reason else "")
        )
    if why := diverged.reason(tracking.as_record(run)):
        raise PredictError(
            f"{run_id}: the run {run.info.run_name} {why}: it can tell nothing of a picture"
        )
    return run
