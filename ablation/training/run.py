"""The story of one run, from what was asked for to its results in MLflow."""

import functools
import traceback
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ablation.config import Config, leaves
from ablation.errors import brief
from ablation.network import device, model, preprocessing
from ablation.network.device import Compute
from ablation.pictures import data
from ablation.pictures.augment import Augmentation
from ablation.pictures.data import Pictures
from ablation.study.diverged import DivergedError
from ablation.study.grid import AskedRun
from ablation.targets import TARGET
from ablation.tracking import claims
from ablation.tracking.claims import Claim
from ablation.tracking.patience import AwayError
from ablation.tracking.runlog import RunLog
from ablation.tracking.store import Identity, Study
from ablation.training import artifacts, task
from ablation.training.cache import Cache
from ablation.training.checkpoint import Checkpoint
from ablation.training.fit import Epoch
from ablation.training.learn import Trained, learn
from ablation.training.together import Together
from ablation.training.work import Done, Work


@dataclass(frozen=True)
class Outcome:
    """What became of a run.

    Attributes:
        name: of the run.
        status: finished, skipped (it had finished before), elsewhere (another command is training
            it), left out (an earlier run failed, and the rest is not wanted then), or failed.
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
    asked: AskedRun,
    study: Study,
    cache: Cache,
    on_epoch: Callable[[Epoch], None],
    together: Together | None = None,
) -> Outcome:
    """Train one cell with one seed and log it. A run that has finished before is not repeated.

    Whatever goes wrong is logged as the run's failure, so that other runs go on.

    Args:
        asked: the run's config, levels, fingerprint and name.
        study: where it is logged.
        cache: what the runs of this process share in memory.
        on_epoch: called with each epoch's metrics.
        together: runs to come, which may be trained along with this one.

    Raises:
        KeyboardInterrupt: a person stopped it; it is logged as KILLED.
    """
    device.prepare(asked.config.threads)
    try:
        work = task.work(asked) if asked.config.task[TARGET] else _work(asked, cache, together)
    except Exception as error:
        log = _open_log(study, asked, asked.config, {"fingerprint": asked.fingerprint})
        return _failed(asked.name, log, error)
    claim = _claimed(asked, study, work)
    if claim.run_id is None:
        status = "elsewhere" if claim.finished is None else "skipped"
        return Outcome(asked.name, status, claim.finished)
    log = _open_log(study, asked, work.config, work.identity.tags(), claim)
    try:
        done = work.do(_both(log.epoch, on_epoch))
        log.finish(done.metrics, done.tags, done.write_artifacts, done.when_kept)
    except (Exception, KeyboardInterrupt) as error:
        return _stopped(error, log, asked, work.config)
    return Outcome(asked.name, "finished", done.accuracy, log=log)


def _claimed(asked: AskedRun, study: Study, work: Work) -> Claim:
    """The claim on a run; where the store is away too long, it is trained without one."""
    rerun, token = work.config.rerun, uuid.uuid4().hex
    try:
        before = None if rerun else study.finished_before(work.identity)
        if before is not None:
            return Claim(finished=before)
        take = functools.partial(claims.take, rerun=rerun, token=token)
        return study.patience(take, study, asked.name, work.identity)
    except AwayError:
        return Claim(run_id="")


def _work(asked: AskedRun, cache: Cache, together: Together | None) -> Work:
    """What a run that trains a network on pictures is to do."""
    config = preprocessing.filled(asked.config)
    pictures = data.load(config.data, config.cache, config.seed)
    identity = _identify(asked.fingerprint, config, pictures)
    checkpoint = Checkpoint.of(identity, config.cache, Compute.of(config))
    do = functools.partial(_do, config, pictures, cache, checkpoint, together)
    return Work(config, identity, do)


def _do(
    config: Config,
    pictures: Pictures,
    cache: Cache,
    checkpoint: Checkpoint,
    together: Together | None,
    on_epoch: Callable[[Epoch], None],
) -> Done:
    trained = learn(config, pictures, cache, on_epoch, checkpoint, together)
    if not Augmentation(config.augment).is_safe_in_threads:
        # What is written is written beside the training of the next run.
        artifacts.shared_sheets(config, pictures, cache)
    return Done(
        accuracy=trained.fit.best_val_accuracy,
        metrics=_metrics(pictures, trained),
        tags=trained.checks,
        write_artifacts=functools.partial(artifacts.write, config, pictures, trained, cache),
        when_kept=checkpoint.remove,
    )


def _identify(fingerprint: str, config: Config, pictures: Pictures) -> Identity:
    is_pretrained = config.transfer.pretrained
    weights = model.weights_digest(config.model) if is_pretrained else "none"
    # Where stages are trained, it matters which: some networks are cut otherwise than they were.
    by_stages = is_pretrained and (
        config.transfer.trained == "stages" or config.transfer.stage_epochs > 0
    )
    stages = model.new_stages(config.model) if by_stages else ""
    return Identity(fingerprint, pictures.digest, weights, stages)


def _open_log(
    study: Study,
    asked: AskedRun,
    config: Config,
    tags: Mapping[str, str],
    claim: Claim | None = None,
) -> RunLog:
    params = {**asked.levels, **leaves(config)}
    return RunLog(study, asked.name, params, tags, claim)


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
        log.fail("KILLED", str(error) or "stopped by hand")
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
