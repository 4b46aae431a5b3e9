"""The optimizer and its learning rate."""

import math

import torch
from torch import nn

from ablation.config import OptimizerConfig, SchedulerConfig


def build_optimizer(
    weights: list[nn.Parameter], config: OptimizerConfig, l2: float
) -> torch.optim.Optimizer:
    """The optimizer of some weights, with L2 as its weight decay.

    Args:
        weights: what is trained.
        config: which optimizer, and its settings.
        l2: the strength λ₂; Adam and SGD add λ₂·w to the gradient, AdamW shrinks w by lr·λ₂·w.
    """
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
    """The learning rate of an epoch.

    Args:
        start: the learning rate of the first epoch.
        epoch: from 1 to `epochs`.
        epochs: how many there are.
        config: how it changes: not at all, by steps, or by half a cosine.
    """
    if config.name == "step":
        return float(start * config.gamma ** ((epoch - 1) // config.step_epochs))
    if config.name == "cosine":
        share = (1 + math.cos(math.pi * (epoch - 1) / epochs)) / 2
        return start * (config.final + (1 - config.final) * share)
    return start
