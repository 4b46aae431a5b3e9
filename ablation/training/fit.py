"""The training loop: an epoch, all epochs; the best epoch is kept."""

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ablation import process, randomness
from ablation.config import Config
from ablation.errors import ConfigError
from ablation.network.device import Compute
from ablation.network.transfer import Parts
from ablation.study.diverged import DivergedError, not_finite
from ablation.training.batches import consecutive, indices_on
from ablation.training.checkpoint import Checkpoint
from ablation.training.evaluate import Evaluation, evaluate
from ablation.training.examples import Examples
from ablation.training.trainer import Trainer

#: One epoch's metrics by their names in MLflow, with the epoch's number from 1.
Epoch = dict[str, float]


@dataclass
class Fit:
    """A finished training.

    Attributes:
        history: one row for each epoch.
        best_epoch: the first epoch with the best validation accuracy, from 1.
        best_val_accuracy, last_val_accuracy: 0..1.
        probabilities: of the validation pictures at the best epoch, shape (n_val, n_classes).
        features: what the head was given at the best epoch, see `Evaluation`.
        state: the trained part's weights and buffers at the best epoch.
        n_steps: training steps in all.
        applied: the strengths l1 and l2 as measured at the first step, and the length of another
            penalty's gradient at the end.
    """

    history: list[Epoch]
    best_epoch: int
    best_val_accuracy: float
    last_val_accuracy: float
    probabilities: npt.NDArray[np.float32]
    features: npt.NDArray[np.float32]
    state: dict[str, Tensor]
    n_steps: int
    applied: dict[str, float]


@dataclass
class _Best:
    """The best epoch so far."""

    epoch: int
    found: Evaluation
    state: dict[str, Tensor]


def fit(
    parts: Parts,
    examples: Examples,
    config: Config,
    compute: Compute,
    on_epoch: Callable[[Epoch], None],
    checkpoint: Checkpoint | None = None,
) -> Fit:
    """Train the part above for `config.epochs`, then load back its best epoch.

    Args:
        parts: the network, cut where training starts, on `compute.device`.
        examples: what the part above is given, and the labels.
        config: of the run.
        compute: the device and the arithmetic.
        on_epoch: called with each epoch's metrics as soon as they are known.
        checkpoint: where a training that is cut off goes on; None starts at the first epoch.

    Raises:
        DivergedError: at the end of the first epoch in which a number was not finite.
    """
    trainer = Trainer(parts, examples.train_labels, config, compute)
    history, best = _resumed(trainer, checkpoint, on_epoch)
    for epoch in range(len(history) + 1, config.epochs + 1):
        with process.before_notice(history[-1]["epoch_seconds"] if history else math.inf):
            row, found = _epoch(trainer, examples, epoch)
            _refuse_not_finite(epoch, row, parts.above, found)
            history.append(row)
            if best is None or found.accuracy > best.found.accuracy:
                best = _Best(epoch, found, _copy(trainer.evaluated.above))
            on_epoch(row)
            is_due = checkpoint and checkpoint.is_due and epoch < config.epochs
            # After a notice even a training that is whole has not been written to the store.
            if checkpoint and (is_due or process.is_noticed()):
                checkpoint.write(_state(trainer, history, best))
    assert best is not None
    applied = trainer.applied()
    parts.above.load_state_dict(best.state)
    return Fit(
        history=history,
        best_epoch=best.epoch,
        best_val_accuracy=best.found.accuracy,
        last_val_accuracy=history[-1]["val/accuracy"],
        probabilities=best.found.probabilities.cpu().numpy(),
        features=best.found.features.cpu().numpy(),
        state=best.state,
        n_steps=trainer.n_steps,
        applied=applied,
    )


def _state(trainer: Trainer, history: list[Epoch], best: _Best) -> dict[str, Any]:
    """All that the epochs to come depend on."""
    found = {"epoch": best.epoch, "found": vars(best.found), "state": best.state}
    return {"trainer": trainer.state(), "history": history, "best": found}


def _resumed(
    trainer: Trainer, checkpoint: Checkpoint | None, on_epoch: Callable[[Epoch], None]
) -> tuple[list[Epoch], _Best | None]:
    """The epochs that were trained before the run was cut off, and the best of them."""
    state = checkpoint.read() if checkpoint else None
    if state is None:
        return [], None
    trainer.load(state["trainer"])
    for row in state["history"]:
        on_epoch(row)
    best = state["best"]
    return state["history"], _Best(best["epoch"], Evaluation(**best["found"]), best["state"])


def _epoch(trainer: Trainer, examples: Examples, epoch: int) -> tuple[Epoch, Evaluation]:
    """Train and validate for one epoch."""
    start = time.perf_counter()
    config, compute, inputs = trainer.config, trainer.compute, examples.inputs
    labels = examples.targets(epoch)
    order = randomness.order(len(labels), config.seed, epoch)
    batches = consecutive(order, config.batch_size)
    indices = indices_on(compute.device, batches)
    given = zip(indices, inputs.training(epoch, batches), strict=True)
    pairs = ((x, labels[chosen]) for chosen, x in given)
    loss_sum, n_right = trainer.train(pairs, len(batches))
    found = evaluate(trainer.evaluated, inputs.evaluation("val"), examples.val_labels, compute)
    row = {
        "epoch": float(epoch),
        "train/loss": loss_sum.item() / len(labels),
        "train/penalty": trainer.penalty_value(),
        "train/accuracy": n_right.item() / len(labels),
        "val/loss": found.loss,
        "val/accuracy": found.accuracy,
        "lr": trainer.lr,
        "epoch_seconds": time.perf_counter() - start,
    }
    return row, found


def _refuse_not_finite(epoch: int, row: Epoch, above: nn.Module, found: Evaluation) -> None:
    """Raise DivergedError where a number of this epoch is not finite.

    Weights and buffers are checked too: ReLU6, which cuts off large values, may hide a NaN or an
    infinity from the loss.
    """
    state = [value for value in above.state_dict().values() if value.is_floating_point()]
    wrong = not_finite(
        {
            "training loss": row["train/loss"],
            "penalty": row["train/penalty"],
            "largest weight or statistic": float(nn.utils.get_total_norm(state, torch.inf)),
            "validation loss": found.loss,
            "largest validation logit": found.largest_logit,
        }
    )
    if wrong:
        raise DivergedError(epoch, wrong)


def refuse_batch_of_one(parts: Parts, view: Tensor, n_pictures: int, batch_size: int) -> None:
    """Check before training whether the network can train on a batch of one picture, if one occurs.

    Args:
        parts: the network, cut where training starts.
        view: one picture as the network sees it, shape (1, 3, size, size).
        n_pictures: how many there are to train.
        batch_size: pictures in a training step.

    Raises:
        ConfigError: a BatchNorm that is trained would be given one value per channel.
    """
    sizes = {len(batch) for batch in consecutive(np.arange(n_pictures), batch_size)}
    if 1 not in sizes:
        return
    parts.below.eval()
    try:
        with torch.no_grad():
            copy.deepcopy(parts.above).train()(parts.below(view))
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        cause = "batch_size=1" if batch_size == 1 else "1 picture to train"
        remedy = "batch_size=2 or more" if n_pictures > 1 else "more pictures"
        raise ConfigError(
            f"{cause}: BatchNorm needs more than one value per channel, and the last feature maps "
            f"of one picture are one pixel each; take {remedy}, a larger data.size, or "
            "transfer=frozen"
        ) from error


def _copy(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in module.state_dict().items()}
