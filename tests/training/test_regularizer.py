"""The arithmetic of the penalties, against autograd."""

import pytest
import torch
from torch import nn

from ablation.config import RegConfig
from ablation.training import regularizer


def network() -> nn.Module:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(5, 7), nn.BatchNorm1d(7), nn.ReLU(), nn.Linear(7, 3))
    with torch.no_grad():
        net[0].weight[0, 0] = 0.0  # where |w| has no slope, both take 0
    return net


def gradients(net: nn.Module, extra: torch.Tensor | float = 0.0) -> list[torch.Tensor]:
    torch.manual_seed(1)
    loss = nn.functional.cross_entropy(net(torch.randn(8, 5)), torch.arange(8) % 3) + extra
    net.zero_grad()
    loss.backward()
    return [weight.grad.clone() for weight in net.parameters()]


@pytest.mark.parametrize("l1", [1e-3, 0.5])
def test_the_l1_gradient_is_autograds_on_the_sum_of_absolute_weights(l1: float) -> None:
    net = network()
    wanted = gradients(net, l1 * sum(w.abs().sum() for w in net.parameters()))
    gradients(net)
    regularizer.add_l1_gradient(list(net.parameters()), l1)
    for weight, gradient in zip(net.parameters(), wanted, strict=True):
        torch.testing.assert_close(weight.grad, gradient)


def test_no_l1_leaves_the_gradients_alone() -> None:
    net = network()
    wanted = gradients(net)
    regularizer.add_l1_gradient(list(net.parameters()), 0.0)
    for weight, gradient in zip(net.parameters(), wanted, strict=True):
        assert torch.equal(weight.grad, gradient)


def test_weights_without_a_gradient_are_left_alone() -> None:
    net = network()
    net[0].requires_grad_(False)
    loss = net(torch.randn(8, 5)).sum()
    loss.backward()
    regularizer.add_l1_gradient(list(net.parameters()), 0.1)
    assert net[0].weight.grad is None


def test_the_penalty_is_the_function_whose_gradient_is_added() -> None:
    net = network()
    weights = list(net.parameters())
    reg = RegConfig(penalties=["l1", "l2"], l1=0.3, l2=0.2)
    wanted = sum(0.3 * w.abs().sum() + 0.5 * 0.2 * w.square().sum() for w in weights)
    torch.testing.assert_close(regularizer.penalty(weights, reg), wanted.detach())
    assert regularizer.penalty(weights, RegConfig()) == 0


def test_the_measured_l1_is_the_strength_that_was_applied() -> None:
    net = network()
    gradients(net)
    measured = regularizer.measured_l1(list(net.parameters()), 0.01)
    assert measured == pytest.approx(0.01, rel=1e-3)
    assert regularizer.measured_l1(list(net.parameters()), 0.0) == 0
