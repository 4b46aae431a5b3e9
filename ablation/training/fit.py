"""The training loop: one plain pass after another, the best epoch kept."""

import copy
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ablation import randomness
from ablation.config import Config
from ablation.errors import ConfigError
from ablation.network.device import autocast
from ablation.network.transfer import Parts
from ablation.study.diverged import DivergedError, not_finite
from ablation.training import regularizer
from ablation.training.batches import consecutive, indices_on
from ablation.training.evaluate import Evaluation, evaluate
from ablation.training.inputs import Inputs
from ablation.training.optimizer import build_optimizer, learning_rate

#: One epoch's metrics by the names under which MLflow gets them, and its number from 1.
Epoch = dict[str, float]


@dataclass
class Fit:
    """A finished training.

    Attributes:
        history: one row an epoch.
        best_epoch: the first epoch of the best validation accuracy, from 1.
        best_val_accuracy, last_val_accuracy: 0..1.
        probabilities: shape (n_val, n_classes), of the validation pictures at the best epoch.
        features: what the head was given of some validation pictures at the best epoch, see
            `Evaluation`.
        state: the trained part's weights and buffers at the best epoch; they are loaded back.
        n_steps: training steps in all.
        applied: the strengths l1 and l2 as they were measured at the first step.
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

    accuracy: float
    epoch: int
    state: dict[str, Tensor]
    found: "Evaluation"


def fit(
    parts: Parts,
    inputs: Inputs,
    train_labels: npt.NDArray[np.int64],
    val_labels: npt.NDArray[np.int64],
    config: Config,
    device: torch.device,
    precision: torch.dtype,
    on_epoch: Callable[[Epoch], None],
) -> Fit:
    """Train the part above for `config.epochs`, and load back its best epoch.

    Args:
        parts: the network, cut where training starts, on `device`.
        inputs: what the part above is fed.
        train_labels, val_labels: class indices, shape (n,).
        on_epoch: called with each epoch's metrics as soon as they are known.

    Raises:
        DivergedError: at the end of the first epoch in which a number was not finite.
    """
    weights = parts.trained()
    optimizer = build_optimizer(weights, config.optimizer, config.reg.l2)
    labels = torch.from_numpy(train_labels).to(device)
    targets = torch.from_numpy(val_labels).to(device)
    history: list[Epoch] = []
    best: _Best | None = None
    n_steps = 0
    applied: dict[str, float] = {}
    for epoch in range(1, config.epochs + 1):
        start = time.perf_counter()
        lr = learning_rate(config.optimizer.lr, epoch, config.epochs, config.scheduler)
        for group in optimizer.param_groups:
            group["lr"] = lr
        order = randomness.order(len(train_labels), config.seed, epoch)
        batches = consecutive(order, config.batch_size)
        indices = indices_on(device, batches)
        fed = zip(indices, inputs.training(epoch, batches), strict=True)
        examples = ((x, labels[chosen]) for chosen, x in fed)
        sums = _train(parts, optimizer, examples, config.reg.l1, precision, applied)
        n_steps += len(batches)
        found = evaluate(parts, inputs.evaluation("val"), targets, precision)
        val_accuracy = (found.probabilities.argmax(1) == targets).double().mean().item()
        row = {
            "epoch": float(epoch),
            "train/loss": sums[0].item() / len(labels),
            "train/penalty": regularizer.penalty(weights, config.reg).item(),
            "train/accuracy": sums[1].item() / len(labels),
            "val/loss": found.loss,
            "val/accuracy": val_accuracy,
            "lr": lr,
            "epoch_seconds": time.perf_counter() - start,
        }
        _refuse_not_finite(epoch, row, parts.above, found)
        history.append(row)
        if best is None or val_accuracy > best.accuracy:
            best = _Best(val_accuracy, epoch, _copy(parts.above), found)
        on_epoch(row)
    assert best is not None
    parts.above.load_state_dict(best.state)
    return Fit(
        history=history,
        best_epoch=best.epoch,
        best_val_accuracy=best.accuracy,
        last_val_accuracy=history[-1]["val/accuracy"],
        probabilities=best.found.probabilities.cpu().numpy(),
        features=best.found.features.cpu().numpy(),
        state=best.state,
        n_steps=n_steps,
        applied=applied,
    )


def _train(
    parts: Parts,
    optimizer: torch.optim.Optimizer,
    examples: Iterable[tuple[Tensor, Tensor]],
    l1: float,
    precision: torch.dtype,
    applied: dict[str, float],
) -> tuple[Tensor, Tensor]:
    """One pass over the training pictures.

    Args:
        examples: for each batch, what the part above is fed and the class indices.
        applied: filled at the first step of a training, see `Fit`.

    Returns:
        The sum of the losses, and how many pictures were classed right as they came.
    """
    parts.train()
    weights = parts.trained()
    device = weights[0].device
    loss_sum = torch.zeros((), device=device)
    n_right = torch.zeros((), device=device)
    for x, y in examples:
        with autocast(device, precision):
            logits = parts.above(x)
        loss = F.cross_entropy(logits.float(), y)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if not applied:
            applied["l1"] = regularizer.measured_l1(weights, l1)
            applied["l2"] = sum(group["weight_decay"] for group in optimizer.param_groups)
        else:
            regularizer.add_l1_gradient(weights, l1)
        optimizer.step()
        # Sums stay on the device: reading them here would make it wait for each step. A loss that
        # is not finite in one step makes its sum so.
        loss_sum += loss.detach() * len(y)
        n_right += (logits.detach().argmax(1) == y).sum()
    return loss_sum, n_right


def _refuse_not_finite(epoch: int, row: Epoch, above: nn.Module, found: "Evaluation") -> None:
    """Raise where a number of this epoch is not finite.

    Weights and buffers are looked at too: an activation that cuts may hide a NaN from the loss.
    """
    state = [value for value in above.state_dict().values() if value.is_floating_point()]
    wrong = not_finite(
        {
            "training loss": row["train/loss"],
            "penalty": row["train/penalty"],
            "largest weight or statistic": float(nn.utils.get_total_norm(state, torch.inf)),
            "validation loss": found.loss,
            "largest validation logit": found.largest,
        }
    )
    if wrong:
        raise DivergedError(epoch, wrong)


def refuse_batch_of_one(parts: Parts, view: Tensor, n_pictures: int, batch_size: int) -> None:
    """Before anything is trained: whether a batch of one picture is one too few.

    Args:
        view: one picture as the network sees it.
        n_pictures: to train.

    Raises:
        ConfigError: a BatchNorm that is trained would be given one value a channel.
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
            f"{cause}: BatchNorm needs more than one value per channel, and one picture's last "
            f"maps are one pixel each; take {remedy}, a larger data.size, or transfer=frozen"
        ) from error


def _copy(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in module.state_dict().items()}
