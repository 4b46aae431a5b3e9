"""The training loop: an epoch, all epochs; the best epoch is kept."""

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ablation import process, randomness
from ablation.config import Config, chosen
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


@dataclass
class Course:
    """A training so far.

    Attributes:
        trainer: the network in training.
        history: one row for each epoch.
        best: the first epoch with the best validation accuracy; None before the first.
    """

    trainer: Trainer
    history: list[Epoch] = field(default_factory=list)
    best: _Best | None = None

    def add(self, row: Epoch, found: Evaluation) -> None:
        """Add an epoch.

        Raises:
            DivergedError: a number of it is not finite.
        """
        epoch = len(self.history) + 1
        _refuse_not_finite(epoch, row, self.trainer.parts.above, found)
        self.history.append(row)
        if self.best is None or found.accuracy > self.best.found.accuracy:
            self.best = _Best(epoch, found, _copy(self.trainer.evaluated.above))

    def finished(self) -> Fit:
        """The whole training; its network is that of the best epoch afterwards."""
        best, trainer = chosen(self.best), self.trainer
        applied = trainer.applied()
        trainer.parts.above.load_state_dict(best.state)
        return Fit(
            history=self.history,
            best_epoch=best.epoch,
            best_val_accuracy=best.found.accuracy,
            last_val_accuracy=self.history[-1]["val/accuracy"],
            probabilities=best.found.probabilities.cpu().numpy(),
            features=best.found.features.cpu().numpy(),
            state=best.state,
            n_steps=trainer.n_steps,
            applied=applied,
        )


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
    course = _resumed(trainer, checkpoint, on_epoch)
    history = course.history
    for epoch in range(len(history) + 1, config.epochs + 1):
        with process.before_notice(history[-1]["epoch_seconds"] if history else math.inf):
            row, found = _epoch(trainer, examples, epoch)
            course.add(row, found)
            on_epoch(row)
            is_due = checkpoint and checkpoint.is_due and epoch < config.epochs
            # After a notice even a training that is whole has not been written to the store.
            if checkpoint and (is_due or process.is_noticed()):
                checkpoint.write(_state(course))
    return course.finished()


def _state(course: Course) -> dict[str, Any]:
    """All that the epochs to come depend on."""
    best = chosen(course.best)
    found = {"epoch": best.epoch, "found": vars(best.found), "state": best.state}
    return {"trainer": course.trainer.state(), "history": course.history, "best": found}


def _resumed(
    trainer: Trainer, checkpoint: Checkpoint | None, on_epoch: Callable[[Epoch], None]
) -> Course:
    """The epochs that were trained before the run was cut off, and the best of them."""
    state = checkpoint.read() if checkpoint else None
    if state is None:
        return Course(trainer)
    trainer.load(state["trainer"])
    for row in state["history"]:
        on_epoch(row)
    best = state["best"]
    of_best = _Best(best["epoch"], Evaluation(**best["found"]), best["state"])
    return Course(trainer, state["history"], of_best)


def _epoch(trainer: Trainer, examples: Examples, epoch: int) -> tuple[Epoch, Evaluation]:
    """Train and validate for one epoch."""
    start = time.perf_counter()
    n, pairs = batches_of(examples, trainer.config, trainer.compute, epoch)
    loss_sum, n_right = trainer.train(pairs, n)
    validation = examples.inputs.evaluation("val")
    found = evaluate(trainer.evaluated, validation, examples.val_labels, trainer.compute)
    row = row_of(trainer, epoch, (loss_sum, n_right), len(examples.train_labels), found)
    return {**row, "epoch_seconds": time.perf_counter() - start}, found


def batches_of(
    examples: Examples, config: Config, compute: Compute, epoch: int
) -> tuple[int, Iterator[tuple[Tensor, Tensor]]]:
    """The training pictures of an epoch: how many batches, and each with what is to be predicted.

    Args:
        examples: what the part above is given, and the labels.
        config: of the run.
        compute: the device.
        epoch: from 1.
    """
    labels = examples.targets(epoch)
    order = randomness.order(len(labels), config.seed, epoch)
    batches = consecutive(order, config.batch_size)
    indices = indices_on(compute.device, batches)
    given = zip(indices, examples.inputs.training(epoch, batches), strict=True)
    return len(batches), ((x, labels[some]) for some, x in given)


def row_of(
    trainer: Trainer, epoch: int, sums: tuple[Tensor, Tensor], n: int, found: Evaluation
) -> Epoch:
    """The metrics of an epoch, its seconds aside.

    Args:
        trainer: after the epoch.
        epoch: from 1.
        sums: of the losses and of the right answers, as `Trainer.train` returns them.
        n: training pictures.
        found: of the validation pictures.
    """
    loss_sum, n_right = sums
    return {
        "epoch": float(epoch),
        "train/loss": loss_sum.item() / n,
        "train/penalty": trainer.penalty_value(),
        "train/accuracy": n_right.item() / n,
        "val/loss": found.loss,
        "val/accuracy": found.accuracy,
        "lr": trainer.lr,
    }


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
