"""Which finished run a command is about."""

import argparse
from typing import TYPE_CHECKING

from ablation.predict.errors import PredictError

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that name a run."""
    parser.add_argument(
        "run", metavar="RUN_ID", help="a run's id in MLflow, or best: the study's best run"
    )
    parser.add_argument(
        "--study", help="where best is looked for (default: the study of the newest finished run)"
    )
    parser.add_argument(
        "--tracking-uri",
        metavar="URI",
        help="the MLflow store (default: MLFLOW_TRACKING_URI, else sqlite:///mlflow.db here)",
    )


def refuse_mistakes(arguments: argparse.Namespace) -> None:
    """Refuse arguments that contradict each other, before any work is done.

    Raises:
        PredictError: it says which.
    """
    if arguments.study is not None and arguments.run != "best":
        raise PredictError("--study goes with best; a run's id names its study already")


def named(arguments: argparse.Namespace) -> "tuple[MlflowClient, Run]":
    """The store and the finished run that the arguments name.

    Raises:
        ConfigError: there is no such store or run, or it can't be used.
    """
    from ablation.tracking import store

    client = store.connect_existing(store.resolve_uri(arguments.tracking_uri), "--tracking-uri ")
    if arguments.run == "best":
        return client, best_run(client, arguments.study)
    return client, finished_run(client, arguments.run)


def best_run(client: "MlflowClient", study: str | None = None) -> "Run":
    """The run with the highest best validation accuracy; of several, the earliest.

    Args:
        client: of the store.
        study: where to look; without one, the study of the run that finished last.

    Raises:
        ConfigError: there is no such study, or none of its runs finished without diverging.
    """
    from ablation.study import diverged
    from ablation.tracking import store

    n_diverged = 0
    for run in _by_accuracy(client, study):
        # A query can't ask for losses that are finite.
        if not diverged.reason(store.as_record(run)):
            return run
        n_diverged += 1
    where = f"study={study}" if study is not None else "best"
    why = f", except {n_diverged} that diverged" if n_diverged else ""
    raise PredictError(f"{where}: no run has finished{why}")


def _by_accuracy(client: "MlflowClient", study: str | None) -> "list[Run]":
    """The finished runs of a study, the best first; of equal ones, the earliest first."""
    from ablation.tracking import store

    if study is not None:
        experiment_id = store.find_study(client, study).experiment_id
    else:
        newest = store.newest_finished(client)
        if newest is None:
            return []
        experiment_id = newest.info.experiment_id
    finished = store.search(client, experiment_id, "attributes.status = 'FINISHED'")
    # Runs of other programs lack this metric.
    ours = [run for run in finished if "best_val_accuracy" in run.data.metrics]
    return sorted(ours, key=lambda run: -run.data.metrics["best_val_accuracy"])


def finished_run(client: "MlflowClient", run_id: str) -> "Run":
    """A run by its id.

    Args:
        client: of the store.
        run_id: the id that MLflow gave the run, 32 hexadecimal digits.

    Raises:
        PredictError: there is no such run, it was deleted, did not finish, or diverged.
    """
    from ablation.study import diverged
    from ablation.tracking import store

    run = store.find_run(client, run_id)
    if run is None:
        raise PredictError(
            f"{run_id}: the store has no run with this id; MLflow's UI shows it on the run's page "
            "(`best` takes a study's best run)"
        )
    if run.info.lifecycle_stage != "active":
        raise PredictError(f"{run_id}: this run was deleted in MLflow")
    if run.info.status != "FINISHED":
        reason = run.data.tags.get("error")
        raise PredictError(
            f"{run_id}: the run {run.info.run_name} did not finish, it is {run.info.status}"
            + (f" ({reason})" if reason else "")
        )
    if why := diverged.reason(store.as_record(run)):
        raise PredictError(
            f"{run_id}: the run {run.info.run_name} {why}: its predictions would mean nothing"
        )
    return run
