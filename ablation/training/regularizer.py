"""The penalties on the trained weights.

L2 is the optimizer's weight decay. L1 adds λ·sign(w) to the gradient of every trained weight. That
is the gradient of λ·Σ|w| as autograd computes it, without building a graph.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from ablation.config import RegConfig


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


@torch.no_grad()
def penalty(weights: Sequence[Tensor], reg: RegConfig) -> Tensor:
    """λ₁·Σ|w| + ½·λ₂·Σw²: the function whose gradient L1 and weight decay (SGD, Adam) add.

    AdamW applies weight decay separately from the gradient; its penalty is given for comparison.

    Args:
        weights: at least one.
        reg: the strengths λ₁ and λ₂.

    Returns:
        A tensor without dimensions, on the weights' device.
    """
    total = torch.zeros((), device=weights[0].device)
    if reg.l1:
        total += reg.l1 * torch.stack(torch._foreach_norm(list(weights), 1)).sum()
    if reg.l2:
        total += 0.5 * reg.l2 * torch.stack(torch._foreach_norm(list(weights), 2)).square().sum()
    return total
