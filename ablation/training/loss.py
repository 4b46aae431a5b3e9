"""What a training step minimises, penalties aside.

A loss of one's own is a class whose objects, or a function which, is called with logits, shape (n,
n_classes), and class indices, shape (n,), and returns the mean over the n pictures as a tensor
without dimensions. Where pictures are mixed, it is given the shares of the classes instead, shape
(n, n_classes). An object that has a method `begin(labels, n_classes)` is told all training labels
first.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ablation import targets
from ablation.errors import ConfigError
from ablation.parts import Part
from ablation.targets import TARGET


class ClassWeighted:
    """Cross-entropy in which each picture counts for 1 / (pictures of its class) ** power.

    King & Zeng 2001, *Political Analysis* 9:137, for power 1.
    """

    def __init__(self, power: float = 1.0) -> None:
        self.power = power
        self.weights: Tensor | None = None

    def begin(self, labels: Tensor, n_classes: int) -> None:
        """Weigh the classes so that the mean weight of a training picture is 1."""
        counts = torch.bincount(labels, minlength=n_classes).clamp(min=1).double()
        weights = counts**-self.power
        self.weights = (weights * len(labels) / (weights * counts).sum()).float()

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        assert self.weights is not None
        each = F.cross_entropy(logits, labels, reduction="none")
        is_mixed = labels.ndim == 2
        weights = labels @ self.weights if is_mixed else self.weights[labels]
        return (each * weights).mean()


class Focal:
    """(1 − p) ** gamma times the cross-entropy of the true class, whose probability is p.

    Lin et al. 2017, *Focal Loss for Dense Object Detection*, for several classes.
    """

    def __init__(self, gamma: float = 2.0) -> None:
        self.gamma = gamma

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        logs = F.log_softmax(logits, dim=1)
        each = -((1 - logs.exp()).clamp(min=0) ** self.gamma) * logs
        if labels.ndim == 2:
            return (each * labels).sum(1).mean()
        return each.gather(1, labels[:, None]).mean()


def loss(part: Part, labels: Tensor, n_classes: int) -> Any:
    """The loss of a run, checked on two made-up pictures.

    Args:
        part: its target and arguments.
        labels: of all training pictures, class indices, shape (n,).
        n_classes: outputs of the head.

    Raises:
        ConfigError: the target can't be made, or does not return the mean over the pictures.
    """
    made = targets.made("loss", part)
    name = f"loss.{TARGET}: {part[TARGET]}"
    try:
        if hasattr(made, "begin"):
            made.begin(labels, n_classes)
        logits = torch.zeros(2, n_classes, device=labels.device, requires_grad=True)
        found = made(logits, labels[:1].expand(2))
    # Whatever a person's own code raises.
    except Exception as error:
        raise ConfigError(f"{name}: {type(error).__name__}: {error}") from error
    if not isinstance(found, Tensor) or found.ndim != 0 or not found.requires_grad:
        shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise ConfigError(
            f"{name}: returned {shape} for two pictures; a loss is the mean over the pictures, a "
            "tensor without dimensions that depends on the logits"
        )
    return made
