"""The story of one run, from its config to its results in MLflow."""

import functools
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ablation import config as schema
from ablation import randomness
from ablation.config import Config
from ablation.errors import brief
from ablation.network import device, model, preprocessing, transfer
from ablation.network.transfer import Parts
from ablation.pictures import data
from ablation.pictures.data import Pictures
from ablation.study import grid
from ablation.study.diverged import DivergedError, not_finite
from ablation.tracking import runlog
from ablation.tracking import store as tracking
from ablation.training import evaluate, features, inputs, novelty
from ablation.training import fit as fitting
from ablation.training.artifacts import Trained, write
from ablation.training.fit import Epoch, Fit

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass(frozen=True)
class Outcome:
    """What became of a run.

    Attributes:
        status: finished, skipped (it had finished before), or failed.
        best_val_accuracy: 0..1, None where it failed.
        error: for a person, where it failed.
        log: the run in MLflow, perhaps still being written; None where it was skipped.
    """

    name: str
    status: str
    best_val_accuracy: float | None = None
    error: str = ""
    log: runlog.RunLog | None = None


def train(
    config: Config,
    levels: Mapping[str, str],
    client: "MlflowClient",
    experiment_id: str,
    on_epoch: Callable[[Epoch], None],
) -> Outcome:
    """Train one cell with one seed and log it; a run that has finished before is not repeated.

    Args:
        config: resolved and checked.
        levels: each factor's level.
        on_epoch: called with each epoch's metrics.
    """
    device.prepare(config.threads)
    name, fingerprint = grid.run_name(config, levels), schema.fingerprint(config)
    open_log = functools.partial(runlog.RunLog, client, experiment_id, name)
    try:
        config = preprocessing.filled(config)
        pictures = data.load(config.data, config.cache.pictures_gb)
        identity = identify(fingerprint, config, pictures)
    except Exception as error:
        params = {**levels, **schema.leaves(config)}
        return _failed(name, open_log(params, {"fingerprint": fingerprint}), error)
    if not config.rerun:
        before = tracking.finished(client, experiment_id, identity)
        if before is not None:
            return Outcome(name, "skipped", before.data.metrics.get("best_val_accuracy"))
    log = open_log({**levels, **schema.leaves(config)}, identity.tags())
    try:
        trained = _train(config, pictures, log, on_epoch)
        write_artifacts = functools.partial(write, config, pictures, trained)
        log.finish(_metrics(pictures, trained), trained.checks, write_artifacts)
    except KeyboardInterrupt:
        log.fail("KILLED", "stopped by hand")
        log.wait()
        raise
    except DivergedError as error:
        text = error.at(_varied(config, levels))
        log.fail("FAILED", text)
        return Outcome(name, "failed", error=text, log=log)
    # Whatever stops one run must not stop the others; the report names it.
    except Exception as error:
        return _failed(name, log, error)
    return Outcome(name, "finished", trained.fit.best_val_accuracy, log=log)


def _varied(config: Config, levels: Mapping[str, str]) -> dict[str, object]:
    """What is swept, as it is in this run, and the learning rate, which is what mostly diverges."""
    settings = {**schema.leaves(config), **levels}
    keys = dict.fromkeys([*config.axes, "optimizer.lr"])
    return {key: settings[key] for key in keys if key in settings}


def _failed(name: str, log: runlog.RunLog, error: Exception) -> Outcome:
    log.fail("FAILED", brief(error), "".join(traceback.format_exception(error)))
    return Outcome(name, "failed", error=brief(error), log=log)


def _train(
    config: Config,
    pictures: Pictures,
    log: runlog.RunLog,
    on_epoch: Callable[[Epoch], None],
) -> Trained:
    """Build, freeze, fit, test, and check that what was to stay as it was did."""
    place = device.choose(config.device)
    precision = device.precision(config.precision, place)
    network = model.build(
        config.model,
        len(pictures.classes),
        pretrained=config.transfer.pretrained,
        seed=config.seed,
    ).to(place)
    start = model.digest(network.trunk.state_dict())
    first_filters = _first_filters(network)
    parts = transfer.apply(network, config.transfer)
    before = parts.frozen_digest()
    _refuse_batch_of_one(parts, pictures, config, place)
    quicken(parts, schema.chosen(config.data.size), place, precision)
    fed = feed(parts, pictures, config, place, precision)

    def after_epoch(row: Epoch) -> None:
        log.epoch(row)
        on_epoch(row)

    with randomness.seeded(randomness.TRAINING, config.seed):
        result = fitting.fit(
            parts,
            fed,
            pictures.train.labels,
            pictures.val.labels,
            config,
            place,
            precision,
            after_epoch,
        )
    test = None
    if pictures.test:
        labels = torch.from_numpy(pictures.test.labels).to(place)
        found = evaluate.evaluate(parts, fed.evaluation("test"), labels, precision)
        wrong = not_finite({"largest logit of the pictures held back": found.largest})
        if wrong:
            raise DivergedError(result.best_epoch, wrong)
        test = found.probabilities.cpu().numpy()
    checks = {
        "start_digest": start,
        "frozen_digest_before": before,
        "frozen_digest_after": parts.frozen_digest(),
        "applied_l1": f"{result.applied['l1']:.6g}",
        "applied_l2": f"{result.applied['l2']:.6g}",
        "n_steps": str(result.n_steps),
        "device": str(place),
        "threads": str(torch.get_num_threads()),
        "precision": str(precision).removeprefix("torch."),
    }
    last_filters = _first_filters(network)
    filters = None
    if first_filters is not None and last_filters is not None:
        filters = first_filters, last_filters
    known = _known(parts, fed, pictures, result, precision) if config.save_weights else None
    return Trained(result, test, known, checks, filters)


def _known(
    parts: Parts, fed: inputs.Inputs, pictures: Pictures, result: Fit, precision: torch.dtype
) -> novelty.Known:
    """What the best epoch's network makes of some training pictures, seen as validation ones."""
    views = fed.sample(novelty.sample(pictures.train.labels))
    features = torch.cat([part for part, _ in evaluate.judged(parts, views, precision)])
    return novelty.known(features.cpu().numpy(), result.features)


def _refuse_batch_of_one(
    parts: Parts, pictures: Pictures, config: Config, place: torch.device
) -> None:
    size = schema.chosen(config.data.size)
    view = torch.zeros(1, 3, size, size, device=place)
    # Dropout draws; what is drawn after it must not depend on that.
    with randomness.seeded(randomness.TRAINING, config.seed):
        fitting.refuse_batch_of_one(parts, view, len(pictures.train), config.batch_size)


def _first_filters(network: nn.Module) -> npt.NDArray[np.float32] | None:
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            return module.weight.detach().cpu().float().numpy().copy()
    return None


def quicken(parts: Parts, size: int, place: torch.device, precision: torch.dtype) -> None:
    """On a CPU, the fast layers where something is trained whose slow ones cost time."""
    has_maps = any(isinstance(module, nn.Conv2d) for module in parts.above.modules())
    if place.type == "cpu" and precision == torch.float32 and has_maps:
        try:
            from ablation.network.cpu import quicken
        # No numba for this Python or NumPy, or no folder where it may keep what it compiles.
        except (ImportError, RuntimeError):
            return
        view = torch.linspace(-2, 2, 3 * size * size).view(1, 3, size, size)
        with torch.no_grad():
            probe = parts.below.eval()(view)
        quicken.quicken(parts.above, probe)


def feed(
    parts: Parts,
    pictures: Pictures,
    config: Config,
    place: torch.device,
    precision: torch.dtype,
) -> inputs.Inputs:
    """Views where the whole network is trained, features of views where its lower part is not."""
    views = inputs.Views(pictures, config.data, config.model, config.seed, place)
    if not len(parts.below):
        return views
    store = features.Store(config.cache) if config.cache.features else None
    return features.Features(views, parts.below, store, precision)


def identify(fingerprint: str, config: Config, pictures: Pictures) -> tracking.Identity:
    weights = model.weights_digest(config.model) if config.transfer.pretrained else "none"
    return tracking.Identity(fingerprint, pictures.digest, weights)


def _metrics(pictures: Pictures, trained: Trained) -> dict[str, float]:
    """A run's final figures, accuracies in 0..1."""
    result = trained.fit
    metrics = {
        "best_val_accuracy": result.best_val_accuracy,
        "best_epoch": float(result.best_epoch),
        "last_val_accuracy": result.last_val_accuracy,
        "train_seconds": sum(row["epoch_seconds"] for row in result.history),
    }
    if pictures.test and trained.test is not None:
        metrics["test_accuracy"] = float((trained.test.argmax(1) == pictures.test.labels).mean())
    return metrics
