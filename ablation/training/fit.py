"""The training loop: a step, an epoch, all epochs; the best epoch is kept."""

import copy
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ablation import randomness
from ablation.config import Config
from ablation.errors import ConfigError
from ablation.network.device import Compute
from ablation.network.transfer import Parts
from ablation.study.diverged import DivergedError, not_finite
from ablation.training import regularizer
from ablation.training.batches import consecutive, indices_on
from ablation.training.evaluate import Evaluation, evaluate
from ablation.training.examples import Examples
from ablation.training.optimizer import build_optimizer, learning_rate

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
        applied: the strengths l1 and l2 as measured at the first step.
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
) -> Fit:
    """Train the part above for `config.epochs`, then load back its best epoch.

    Args:
        parts: the network, cut where training starts, on `compute.device`.
        examples: what the part above is given, and the labels.
        config: of the run.
        compute: the device and the arithmetic.
        on_epoch: called with each epoch's metrics as soon as they are known.

    Raises:
        DivergedError: at the end of the first epoch in which a number was not finite.
    """
    trainer = _Trainer(parts, config, compute)
    history: list[Epoch] = []
    best: _Best | None = None
    for epoch in range(1, config.epochs + 1):
        row, found = _epoch(trainer, examples, epoch)
        _refuse_not_finite(epoch, row, parts.above, found)
        history.append(row)
        if best is None or found.accuracy > best.found.accuracy:
            best = _Best(epoch, found, _copy(parts.above))
        on_epoch(row)
    assert best is not None
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
        applied=trainer.applied,
    )


@dataclass
class _Trainer:
    """A network in training, with its optimizer.

    Attributes:
        n_steps: training steps so far.
        applied: the strengths l1 and l2 as measured at the first step; empty before.
    """

    parts: Parts
    config: Config
    compute: Compute
    n_steps: int = 0
    applied: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.weights = self.parts.trained()
        self.optimizer = build_optimizer(self.weights, self.config.optimizer, self.config.reg.l2)

    def train(self, lr: float, batches: Iterable[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        """One pass over the training pictures.

        Args:
            lr: the learning rate.
            batches: inputs of the part above and their labels.

        Returns:
            The sum of the losses over the pictures, and how many were classified correctly, each
            as it was seen; both as tensors without dimensions.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.parts.train()
        loss_sum = torch.zeros((), device=self.compute.device)
        n_right = torch.zeros((), device=self.compute.device)
        for x, labels in batches:
            loss, logits = self._step(x, labels)
            # The sums stay on the device: reading them here would wait for each step. A loss that
            # is not finite in one step makes the sum not finite.
            loss_sum += loss * len(labels)
            n_right += (logits.argmax(1) == labels).sum()
        return loss_sum, n_right

    def _step(self, x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """One training step: the mean loss of the batch, and its logits."""
        with self.compute.autocast():
            logits = self.parts.above(x)
        loss = F.cross_entropy(logits.float(), labels)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        l1 = self.config.reg.l1
        if self.n_steps == 0:
            decays = [group["weight_decay"] for group in self.optimizer.param_groups]
            self.applied["l1"] = regularizer.measured_l1(self.weights, l1)
            self.applied["l2"] = sum(decays)
        else:
            regularizer.add_l1_gradient(self.weights, l1)
        self.optimizer.step()
        self.n_steps += 1
        return loss.detach(), logits.detach()


def _epoch(trainer: _Trainer, examples: Examples, epoch: int) -> tuple[Epoch, Evaluation]:
    """Train and validate for one epoch."""
    start = time.perf_counter()
    config, compute, inputs = trainer.config, trainer.compute, examples.inputs
    lr = learning_rate(config.optimizer.lr, epoch, config.epochs, config.scheduler)
    labels = examples.train_labels
    order = randomness.order(len(labels), config.seed, epoch)
    batches = consecutive(order, config.batch_size)
    indices = indices_on(compute.device, batches)
    given = zip(indices, inputs.training(epoch, batches), strict=True)
    loss_sum, n_right = trainer.train(lr, ((x, labels[chosen]) for chosen, x in given))
    found = evaluate(trainer.parts, inputs.evaluation("val"), examples.val_labels, compute)
    row = {
        "epoch": float(epoch),
        "train/loss": loss_sum.item() / len(labels),
        "train/penalty": regularizer.penalty(trainer.weights, config.reg).item(),
        "train/accuracy": n_right.item() / len(labels),
        "val/loss": found.loss,
        "val/accuracy": found.accuracy,
        "lr": lr,
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
