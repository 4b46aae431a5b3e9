"""The optimizer decays weights as L2 does, and its learning rate follows the schedule."""

import pytest
import torch
from torch.optim import lr_scheduler

from ablation.config import OptimizerConfig, RegConfig
from ablation.study import grid
from ablation.training.optimizer import build_optimizer, learning_rate
from tests.training.test_regularizer import gradients, network


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_l2_as_weight_decay_steps_as_half_the_sum_of_squares_does(name: str) -> None:
    config = OptimizerConfig(name=name, lr=0.1)
    reg = RegConfig(penalties=["l2"], l2=0.05)
    decayed, penalised = network(), network()
    one = build_optimizer(list(decayed.parameters()), config, reg.l2)
    other = build_optimizer(list(penalised.parameters()), config, 0.0)
    for _ in range(3):
        gradients(decayed)
        gradients(penalised, 0.5 * reg.l2 * sum(w.square().sum() for w in penalised.parameters()))
        one.step()
        other.step()
    for a, b in zip(decayed.parameters(), penalised.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_adamw_decays_apart_from_the_gradient() -> None:
    net = network()
    before = [w.detach().clone() for w in net.parameters()]
    optimizer = build_optimizer(list(net.parameters()), OptimizerConfig(name="adamw", lr=0.1), 0.5)
    for weight in net.parameters():
        weight.grad = torch.zeros_like(weight)
    optimizer.step()
    for weight, start in zip(net.parameters(), before, strict=True):
        torch.testing.assert_close(weight.detach(), start * (1 - 0.1 * 0.5))


@pytest.mark.parametrize("name", ["constant", "cosine", "step"])
def test_learning_rates_are_those_of_torchs_schedulers(name: str) -> None:
    config = grid.expand([f"scheduler={name}"], multirun=False).runs[0].config.scheduler
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    theirs = {
        "constant": lambda: lr_scheduler.ConstantLR(optimizer, factor=1.0),
        "cosine": lambda: lr_scheduler.CosineAnnealingLR(optimizer, T_max=6),
        "step": lambda: lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.1),
    }[name]()
    for epoch in range(1, 7):
        assert learning_rate(0.1, epoch, 6, config) == pytest.approx(theirs.get_last_lr()[0])
        optimizer.step()
        theirs.step()
