"""The arithmetic of the penalties, against autograd."""

import pytest
import torch
from torch import nn

from ablation.errors import ConfigError
from ablation.training import regularizer
from ablation.training.regularizer import L2SP, ElasticNet


def named(net: nn.Module) -> dict[str, torch.Tensor]:
    return dict(net.named_parameters())


def network() -> nn.Sequential:
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
    wanted = sum(0.3 * w.abs().sum() + 0.5 * 0.2 * w.square().sum() for w in weights)
    torch.testing.assert_close(ElasticNet(0.3, 0.2)(named(net)), wanted)
    assert ElasticNet()(named(net)) == 0


def test_the_measured_l1_is_the_strength_that_was_applied() -> None:
    net = network()
    gradients(net)
    measured = regularizer.measured_l1(list(net.parameters()), 0.01)
    assert measured == pytest.approx(0.01, rel=1e-3)
    assert regularizer.measured_l1(list(net.parameters()), 0.0) == 0


def test_l2sp_pulls_the_trunk_to_its_start_and_the_head_to_zero() -> None:
    trunk, head = torch.ones(3, requires_grad=True), torch.full((2,), 2.0, requires_grad=True)
    weights = {"layer1.weight": trunk, "head.weight": head}
    penalty = L2SP(l2=0.5, head_l2=0.1)
    penalty.begin(weights)
    assert float(penalty(weights)) == pytest.approx(0.5 * 0.1 * 8)
    with torch.no_grad():
        trunk += 2
    penalty(weights).backward()
    torch.testing.assert_close(trunk.grad, torch.full((3,), 0.5 * 2.0))
    torch.testing.assert_close(head.grad, torch.full((2,), 0.1 * 2.0))


def test_the_length_of_a_penaltys_gradient_is_measured() -> None:
    weights = {"a": torch.tensor([3.0, 4.0], requires_grad=True)}
    assert regularizer.gradient_norm(ElasticNet(0.0, 2.0), weights) == pytest.approx(10)
    assert regularizer.gradient_norm(lambda given: torch.ones(()), weights) == 0


@pytest.mark.parametrize(
    ("target", "words"),
    [("builtins.len", "returned int"), ("builtins.sum", "TypeError"), ("torch.stack", "TypeError")],
)
def test_what_is_no_penalty_is_refused(target: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        regularizer.regularizer({"_target_": target}, named(network()))
