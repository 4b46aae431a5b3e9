"""The penalties on the trained weights.

L2 is the optimizer's weight decay. L1 adds λ·sign(w) to the gradient of every trained weight:
what autograd makes of λ·Σ|w|, without the graph.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from ablation.config import RegConfig


def add_l1_gradient(weights: Sequence[Tensor], l1: float) -> None:
    """Add λ·sign(w) to the gradients in place; λ = 0 costs nothing."""
    if l1:
        trained = [weight for weight in weights if weight.grad is not None]
        gradients = [weight.grad for weight in trained]
        torch._foreach_add_(gradients, torch._foreach_sign(trained), alpha=l1)


@torch.no_grad()
def penalty(weights: Sequence[Tensor], reg: RegConfig) -> Tensor:
    """λ₁·Σ|w| + ½·λ₂·Σw²: the function whose gradient L1 and weight decay (SGD, Adam) add.

    AdamW decays the weights apart from the gradient; the same value is given for comparison.
    """
    device = weights[0].device if weights else "cpu"
    total = torch.zeros((), device=device)
    if reg.l1:
        total += reg.l1 * torch.stack(torch._foreach_norm(weights, 1)).sum()
    if reg.l2:
        total += 0.5 * reg.l2 * torch.stack(torch._foreach_norm(weights, 2)).square().sum()
    return total
