"""The story of one run, from what was asked for to its results in MLflow."""

import functools
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ablation.config import Config, leaves
from ablation.errors import brief
from ablation.network import device, model, preprocessing
from ablation.pictures import data
from ablation.pictures.augment import Augmentation
from ablation.pictures.data import Pictures
from ablation.study.diverged import DivergedError
from ablation.study.grid import AskedRun
from ablation.targets import TARGET
from ablation.tracking import store
from ablation.tracking.runlog import RunLog
from ablation.tracking.store import Identity, Study
from ablation.training import artifacts, task
from ablation.training.cache import Cache
from ablation.training.fit import Epoch
from ablation.training.learn import Trained, learn
from ablation.training.work import Done, Work


@dataclass(frozen=True)
class Outcome:
    """What became of a run.

    Attributes:
        name: of the run.
        status: finished, skipped (it had finished before), or failed.
        best_val_accuracy: 0..1, None where it failed.
        error: for a person, where it failed.
        log: the run in MLflow, which may still be being written; None where it was skipped.
    """

    name: str
    status: str
    best_val_accuracy: float | None = None
    error: str = ""
    log: RunLog | None = None


def train(
    asked: AskedRun, study: Study, cache: Cache, on_epoch: Callable[[Epoch], None]
) -> Outcome:
    """Train one cell with one seed and log it. A run that has finished before is not repeated.

    Whatever goes wrong is logged as the run's failure, so that other runs go on.

    Args:
        asked: the run's config, levels, fingerprint and name.
        study: where it is logged.
        cache: what the runs of this process share in memory.
        on_epoch: called with each epoch's metrics.

    Raises:
        KeyboardInterrupt: a person stopped it; it is logged as KILLED.
    """
    device.prepare(asked.config.threads)
    try:
        work = task.work(asked) if asked.config.task[TARGET] else _work(asked, cache)
    except Exception as error:
        log = _open_log(study, asked, asked.config, {"fingerprint": asked.fingerprint})
        return _failed(asked.name, log, error)
    if not work.config.rerun:
        before = store.finished(study.client, study.experiment_id, work.identity)
        if before is not None:
            accuracy = before.data.metrics.get("best_val_accuracy")
            return Outcome(asked.name, "skipped", accuracy)
    log = _open_log(study, asked, work.config, work.identity.tags())
    try:
        done = work.do(_both(log.epoch, on_epoch))
        log.finish(done.metrics, done.tags, done.write_artifacts)
    except (Exception, KeyboardInterrupt) as error:
        return _stopped(error, log, asked, work.config)
    return Outcome(asked.name, "finished", done.accuracy, log=log)


def _work(asked: AskedRun, cache: Cache) -> Work:
    """What a run that trains a network on pictures is to do."""
    config = preprocessing.filled(asked.config)
    pictures = data.load(config.data, config.cache.pictures_gb)
    identity = _identify(asked.fingerprint, config, pictures)
    return Work(config, identity, functools.partial(_do, config, pictures, cache))


def _do(
    config: Config, pictures: Pictures, cache: Cache, on_epoch: Callable[[Epoch], None]
) -> Done:
    trained = learn(config, pictures, cache, on_epoch)
    if not Augmentation(config.augment).is_safe_in_threads:
        # What is written is written beside the training of the next run.
        artifacts.shared_sheets(config, pictures, cache)
    return Done(
        accuracy=trained.fit.best_val_accuracy,
        metrics=_metrics(pictures, trained),
        tags=trained.checks,
        write_artifacts=functools.partial(artifacts.write, config, pictures, trained, cache),
    )


def _identify(fingerprint: str, config: Config, pictures: Pictures) -> Identity:
    weights = model.weights_digest(config.model) if config.transfer.pretrained else "none"
    return Identity(fingerprint, pictures.digest, weights)


def _open_log(study: Study, asked: AskedRun, config: Config, tags: Mapping[str, str]) -> RunLog:
    params = {**asked.levels, **leaves(config)}
    return RunLog(study.client, study.experiment_id, asked.name, params, tags)


def _both(
    first: Callable[[Epoch], None], second: Callable[[Epoch], None]
) -> Callable[[Epoch], None]:
    def call(row: Epoch) -> None:
        first(row)
        second(row)

    return call


def _stopped(
    error: Exception | KeyboardInterrupt, log: RunLog, asked: AskedRun, config: Config
) -> Outcome:
    """Log why a training ended early.

    Raises:
        KeyboardInterrupt: it is what ended the training.
    """
    if isinstance(error, KeyboardInterrupt):
        log.fail("KILLED", "stopped by hand")
        log.wait()
        raise error
    if isinstance(error, DivergedError):
        text = error.at(_swept(config, asked.levels))
        log.fail("FAILED", text)
        return Outcome(asked.name, "failed", error=text, log=log)
    return _failed(asked.name, log, error)


def _swept(config: Config, levels: Mapping[str, str]) -> dict[str, object]:
    """This run's values of what is swept, and its learning rate, the usual cause of divergence."""
    settings = {**leaves(config), **levels}
    keys = dict.fromkeys([*config.axes, "optimizer.lr"])
    return {key: settings[key] for key in keys if key in settings}


def _failed(name: str, log: RunLog, error: Exception) -> Outcome:
    log.fail("FAILED", brief(error), "".join(traceback.format_exception(error)))
    return Outcome(name, "failed", error=brief(error), log=log)


def _metrics(pictures: Pictures, trained: Trained) -> dict[str, float]:
    """A run's final metrics; accuracies in 0..1."""
    result = trained.fit
    metrics = {
        "best_val_accuracy": result.best_val_accuracy,
        "best_epoch": float(result.best_epoch),
        "last_val_accuracy": result.last_val_accuracy,
        "train_seconds": sum(row["epoch_seconds"] for row in result.history),
        **trained.cost,
    }
    if pictures.test and trained.test is not None:
        metrics["test_accuracy"] = float((trained.test.argmax(1) == pictures.test.labels).mean())
    return metrics
