"""The penalties on the trained weights.

A regularizer of one's own is a class whose objects, or a function which, is called with the trained
weights, a mapping from names such as `layer4.0.conv1.weight` and `head.bias` to tensors, and
returns what is added to the loss, a tensor without dimensions. An object that has a method
`begin(weights)` is given the weights before the first step.

L1, L2 and both together have a faster way than autograd: L2 is the optimizer's weight decay, and L1
adds λ·sign(w) to the gradient of every trained weight, which is the gradient of λ·Σ|w| as autograd
computes it, without building a graph.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ablation import targets
from ablation.errors import ConfigError
from ablation.parts import Part
from ablation.targets import TARGET

#: The trained weights by their names.
Weights = Mapping[str, Tensor]


class ElasticNet:
    """λ₁·Σ|w| + ½·λ₂·Σw² (Zou & Hastie 2005, *J. R. Stat. Soc. B* 67:301).

    AdamW applies weight decay separately from the gradient; its penalty is given for comparison.

    Attributes:
        l1, l2: the strengths λ₁ and λ₂.
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        self.l1, self.l2 = l1, l2

    def __call__(self, weights: Weights) -> Tensor:
        every = list(weights.values())
        total = torch.zeros((), device=every[0].device)
        if self.l1:
            total = total + self.l1 * torch.stack(torch._foreach_norm(every, 1)).sum()
        if self.l2:
            squares = torch.stack(torch._foreach_norm(every, 2)).square().sum()
            total = total + 0.5 * self.l2 * squares
        return total


class L1(ElasticNet):
    """λ·Σ|w| (Tibshirani 1996, *J. R. Stat. Soc. B* 58:267)."""

    def __init__(self, l1: float) -> None:
        super().__init__(l1=l1)


class L2(ElasticNet):
    """½·λ·Σw², as weight decay (Krogh & Hertz 1991, *NIPS* 4)."""

    def __init__(self, l2: float) -> None:
        super().__init__(l2=l2)


class L2SP:
    """½·λ·Σ(w − start)² of the trunk and ½·λ'·Σw² of the head.

    Li, Grandvalet & Davoine 2018, *Explicit Inductive Bias for Transfer Learning*: what was
    pre-trained is pulled to where it started.
    """

    def __init__(self, l2: float, head_l2: float) -> None:
        self.l2, self.head_l2 = l2, head_l2
        self._start: dict[str, Tensor] = {}

    def begin(self, weights: Weights) -> None:
        """Keep a copy of the trunk's weights."""
        trunk = {name: w for name, w in weights.items() if not name.startswith("head.")}
        self._start = {name: weight.detach().clone() for name, weight in trunk.items()}

    def __call__(self, weights: Weights) -> Tensor:
        head = [weight for name, weight in weights.items() if name not in self._start]
        total = 0.5 * self.head_l2 * torch.stack([w.square().sum() for w in head]).sum()
        if self._start:
            moved = [(weights[name] - start).square().sum() for name, start in self._start.items()]
            total = total + 0.5 * self.l2 * torch.stack(moved).sum()
        return total


def regularizer(part: Part, weights: Weights) -> Any:
    """The regularizer of a run, called once.

    Args:
        part: its target and arguments.
        weights: that are trained, before the first step.

    Returns:
        None without one.

    Raises:
        ConfigError: the target can't be made, or does not return one number.
    """
    if part[TARGET] is None:
        return None
    made = targets.made("reg", part)
    name = f"reg.{TARGET}: {part[TARGET]}"
    try:
        if hasattr(made, "begin"):
            made.begin(weights)
        found = made(weights)
    # Whatever a person's own code raises.
    except Exception as error:
        raise ConfigError(f"{name}: {type(error).__name__}: {error}") from error
    if not isinstance(found, Tensor) or found.ndim != 0:
        shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise ConfigError(
            f"{name}: returned {shape}; a penalty is a tensor without dimensions that depends on "
            "the weights"
        )
    return made


@torch.no_grad()
def add_l1_gradient(weights: Sequence[Tensor], l1: float) -> None:
    """Add λ·sign(w) to the gradients in place; λ = 0 costs nothing.

    Args:
        weights: those without a gradient are left alone.
        l1: the strength λ.
    """
    if l1:
        pairs = [(weight, weight.grad) for weight in weights if weight.grad is not None]
        signs = torch._foreach_sign([weight for weight, _ in pairs])
        torch._foreach_add_([gradient for _, gradient in pairs], signs, alpha=l1)


@torch.no_grad()
def measured_l1(weights: Sequence[Tensor], l1: float) -> float:
    """Add the L1 gradient, and measure what was added.

    Args:
        weights: as for `add_l1_gradient`.
        l1: as for `add_l1_gradient`.

    Returns:
        The mean absolute change of the gradient of the weights that are not zero: λ within
        rounding.
    """
    before = [weight.grad.clone() for weight in weights if weight.grad is not None]
    add_l1_gradient(weights, l1)
    after = [weight.grad for weight in weights if weight.grad is not None]
    change = torch.stack(torch._foreach_norm(torch._foreach_sub(after, before), 1)).sum()
    n_not_zero = sum(int(weight.count_nonzero()) for weight in weights if weight.grad is not None)
    return float(change) / max(n_not_zero, 1)


def gradient_norm(penalty: Any, weights: Weights) -> float:
    """The length of a penalty's gradient over all weights; 0 where it depends on none of them."""
    value = penalty(weights)
    if not value.requires_grad:
        return 0.0
    # Where stages are trained later, some may still be held.
    trained = [weight for weight in weights.values() if weight.requires_grad]
    found = torch.autograd.grad(value, trained, allow_unused=True)
    return float(torch.stack([part.norm() for part in found if part is not None]).norm())
