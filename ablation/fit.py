"""The training loop: one plain pass after another, the best epoch kept."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ablation import regularizer, views
from ablation.config import Config, OptimizerConfig, SchedulerConfig
from ablation.fold import fold
from ablation.inputs import Inputs, autocast
from ablation.transfer import Parts

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
        state: the trained part's weights and buffers at the best epoch; they are loaded back.
        n_steps: training steps in all.
        applied: the strengths l1 and l2 as they were measured at the first step.
    """

    history: list[Epoch]
    best_epoch: int
    best_val_accuracy: float
    last_val_accuracy: float
    probabilities: npt.NDArray[np.float32]
    state: dict[str, Tensor]
    n_steps: int
    applied: dict[str, float]


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
    """
    weights = parts.trained()
    optimizer = build_optimizer(weights, config.optimizer, config.reg.l2)
    labels = torch.from_numpy(train_labels).to(device)
    targets = torch.from_numpy(val_labels).to(device)
    history: list[Epoch] = []
    best: tuple[float, int, dict[str, Tensor], Tensor] | None = None
    n_steps = 0
    applied: dict[str, float] = {}
    for epoch in range(1, config.epochs + 1):
        start = time.perf_counter()
        lr = learning_rate(config.optimizer.lr, epoch, config.epochs, config.scheduler)
        for group in optimizer.param_groups:
            group["lr"] = lr
        parts.train()
        batches = views.batches(
            views.order(len(train_labels), config.seed, epoch), config.batch_size
        )
        loss_sum = torch.zeros((), device=device)
        n_right = torch.zeros((), device=device)
        indices = views.indices_on(device, batches)
        for chosen, x in zip(indices, inputs.training(epoch, batches), strict=True):
            y = labels[chosen]
            with autocast(device, precision):
                logits = parts.above(x)
            loss = F.cross_entropy(logits.float(), y)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            if not applied:
                applied = {
                    "l1": regularizer.measured_l1(weights, config.reg.l1),
                    "l2": sum(group["weight_decay"] for group in optimizer.param_groups),
                }
            else:
                regularizer.add_l1_gradient(weights, config.reg.l1)
            optimizer.step()
            # Sums stay on the device: reading them here would make it wait for each step.
            loss_sum += loss.detach() * len(y)
            n_right += (logits.detach().argmax(1) == y).sum()
            n_steps += 1
        probabilities, val_loss = evaluate(parts, inputs.evaluation("val"), targets, precision)
        val_accuracy = (probabilities.argmax(1) == targets).double().mean().item()
        row = {
            "epoch": float(epoch),
            "train/loss": loss_sum.item() / len(labels),
            "train/penalty": regularizer.penalty(weights, config.reg).item(),
            "train/accuracy": n_right.item() / len(labels),
            "val/loss": val_loss,
            "val/accuracy": val_accuracy,
            "lr": lr,
            "epoch_seconds": time.perf_counter() - start,
        }
        history.append(row)
        if best is None or val_accuracy > best[0]:
            best = (val_accuracy, epoch, _copy(parts.above), probabilities)
        on_epoch(row)
    assert best is not None
    accuracy, best_epoch, state, probabilities = best
    parts.above.load_state_dict(state)
    return Fit(
        history=history,
        best_epoch=best_epoch,
        best_val_accuracy=accuracy,
        last_val_accuracy=history[-1]["val/accuracy"],
        probabilities=probabilities.cpu().numpy(),
        state=state,
        n_steps=n_steps,
        applied=applied,
    )


@torch.no_grad()
def evaluate(
    parts: Parts, batches: Iterator[Tensor], labels: Tensor, precision: torch.dtype
) -> tuple[Tensor, float]:
    """Probabilities of the classes, shape (n, n_classes), and the mean cross-entropy."""
    parts.eval()
    network: nn.Module | None = None
    logits = []
    for batch in batches:
        if network is None:
            # Measured on a CPU alone; elsewhere the network judges as it is.
            network = fold(parts.above, batch[:2]) if batch.device.type == "cpu" else parts.above
        with autocast(labels.device, precision):
            logits.append(network(batch).float())
    whole = torch.cat(logits)
    return whole.softmax(1), F.cross_entropy(whole, labels).item()


def build_optimizer(
    weights: list[nn.Parameter], config: OptimizerConfig, l2: float
) -> torch.optim.Optimizer:
    """The optimizer, with L2 as its weight decay."""
    if config.name == "sgd":
        return torch.optim.SGD(
            weights,
            lr=config.lr,
            momentum=config.momentum,
            nesterov=config.nesterov,
            weight_decay=l2,
            fused=True,
        )
    kind = torch.optim.AdamW if config.name == "adamw" else torch.optim.Adam
    betas = (config.beta1, config.beta2)
    return kind(weights, lr=config.lr, betas=betas, eps=config.eps, weight_decay=l2, fused=True)


def learning_rate(start: float, epoch: int, epochs: int, config: SchedulerConfig) -> float:
    """The learning rate of an epoch, counted from 1 to `epochs`."""
    if config.name == "step":
        return float(start * config.gamma ** ((epoch - 1) // config.step_epochs))
    if config.name == "cosine":
        share = (1 + math.cos(math.pi * (epoch - 1) / epochs)) / 2
        return start * (config.final + (1 - config.final) * share)
    return start


def _copy(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in module.state_dict().items()}
