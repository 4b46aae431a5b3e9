"""The optimizer decays weights as L2 does; what every optimizer may have beside its arguments."""

import copy

import pytest
import torch
from torch import nn

from ablation.errors import ConfigError
from ablation.study import grid
from ablation.training.optimizer import Optimizer
from ablation.training.regularizer import L1, L2, ElasticNet
from tests.training.test_regularizer import gradients, named, network

SGD = {"_target_": "torch.optim.SGD", "lr": 0.1, "momentum": 0.9, "nesterov": False}
ADAM = {"_target_": "torch.optim.Adam", "lr": 0.1, "betas": [0.9, 0.999], "eps": 1e-8}
ADAMW = {**ADAM, "_target_": "torch.optim.AdamW"}


def staged() -> nn.Sequential:
    """Two stages with norms and a head, as a trained part is."""
    torch.manual_seed(0)
    above = nn.Sequential()
    above.add_module("first", nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6)))
    above.add_module("second", nn.Sequential(nn.Linear(6, 7), nn.ReLU()))
    above.add_module("head", nn.Linear(7, 3))
    return above


@pytest.mark.parametrize("part", [SGD, ADAM], ids=["sgd", "adam"])
def test_l2_as_weight_decay_steps_as_half_the_sum_of_squares_does(part: dict[str, object]) -> None:
    decayed, penalised = network(), network()
    one, other = Optimizer(decayed, part, L2(0.05)), Optimizer(penalised, part, None)
    for _ in range(3):
        gradients(decayed)
        gradients(penalised, 0.5 * 0.05 * sum(w.square().sum() for w in penalised.parameters()))
        one.step()
        other.step()
    for a, b in zip(decayed.parameters(), penalised.parameters(), strict=True):
        torch.testing.assert_close(a, b)
    assert (one.applied["l2"], other.applied["l2"]) == (0.05, 0)


def test_adamw_decays_apart_from_the_gradient() -> None:
    net = network()
    before = [w.detach().clone() for w in net.parameters()]
    optimizer = Optimizer(net, ADAMW, L2(0.5))
    for weight in net.parameters():
        weight.grad = torch.zeros_like(weight)
    optimizer.step()
    for weight, start in zip(net.parameters(), before, strict=True):
        torch.testing.assert_close(weight.detach(), start * (1 - 0.1 * 0.5))


def test_no_weight_is_decayed_without_a_regularizer_whatever_the_optimizers_default() -> None:
    (group,) = Optimizer(network(), ADAMW, None).torchs.param_groups
    assert group["weight_decay"] == 0
    assert torch.optim.AdamW(network().parameters()).defaults["weight_decay"] > 0


def test_an_optimizer_without_weight_decay_has_l2_in_its_gradient() -> None:
    part = {"_target_": "torch.optim.Rprop", "lr": 0.1}
    assert "weight_decay" not in torch.optim.Rprop(network().parameters()).defaults
    one, other = network(), network()
    penalised = Optimizer(one, part, L2(0.05))
    gradients(one)
    wanted = gradients(other, 0.5 * 0.05 * sum(w.square().sum() for w in other.parameters()))
    penalised.step()
    for weight, gradient in zip(one.parameters(), wanted, strict=True):
        torch.testing.assert_close(weight.grad, gradient)


def test_two_weight_decays_are_refused() -> None:
    part = {**ADAMW, "weight_decay": 0.1}
    assert Optimizer(network(), part, L1(1e-3)).torchs.param_groups[0]["weight_decay"] == 0.1
    with pytest.raises(ConfigError, match=r"weight_decay=0.1 and a weight decay of 0.05"):
        Optimizer(network(), part, L2(0.05))


def test_torchs_optimizers_are_fused_unless_a_level_says_otherwise() -> None:
    assert Optimizer(network(), SGD, None).torchs.param_groups[0]["fused"]
    slow = Optimizer(network(), {**SGD, "fused": False}, None)
    assert not slow.torchs.param_groups[0]["fused"]


def test_learning_rates_fall_from_the_head_down_by_stages() -> None:
    part = {**SGD, "trunk_lr_scale": 0.5, "layer_decay": 0.1}
    above = staged()
    groups = Optimizer(above, part, None).torchs.param_groups
    rates = {id(weight): group["lr"] for group in groups for weight in group["params"]}
    found = [{rates[id(w)] for w in stage.parameters()} for stage in above]
    assert [pytest.approx(one) for (one,) in found] == [0.1 * 0.5 * 0.01, 0.1 * 0.5 * 0.1, 0.1]


def test_norms_and_biases_are_not_decayed_where_matrices_alone_are() -> None:
    above = staged()
    groups = Optimizer(above, {**SGD, "decay": "matrices"}, L2(0.1)).torchs.param_groups
    decays = {id(weight): group["weight_decay"] for group in groups for weight in group["params"]}
    for weight in above.parameters():
        assert decays[id(weight)] == (0.1 if weight.ndim > 1 else 0)


def test_the_gradient_is_cut_to_the_length_that_is_asked_for() -> None:
    net = network()
    optimizer = Optimizer(net, {**SGD, "clip": 0.01}, ElasticNet(0.1, 0.0))
    gradients(net)
    optimizer.step()
    length = torch.stack([weight.grad.norm() for weight in net.parameters()]).norm()
    assert float(length) == pytest.approx(0.01, rel=1e-4)


def test_without_settings_of_its_own_it_is_one_group_in_the_weights_order() -> None:
    above = staged()
    (group,) = Optimizer(above, SGD, None).torchs.param_groups
    assert [id(w) for w in group["params"]] == [id(w) for w in above.parameters()]


def test_it_steps_as_torchs_own_does() -> None:
    ours, theirs = staged(), staged()
    other = copy.deepcopy(theirs)
    optimizer = Optimizer(ours, ADAM, None)
    plain = torch.optim.Adam(other.parameters(), lr=0.1, fused=True)
    for net, step in ((ours, optimizer.step), (other, plain.step)):
        net(torch.ones(4, 5)).sum().backward()
        step()
    for a, b in zip(ours.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_shipped_level_is_made_as_its_file_says() -> None:
    config = grid.expand(["optimizer=sgd"], multirun=False).runs[0].config
    (group,) = Optimizer(network(), config.optimizer, None).torchs.param_groups
    assert (group["lr"], group["momentum"], group["nesterov"]) == (0.01, 0.9, False)


def test_the_names_of_weights_are_those_of_the_network() -> None:
    assert "first.0.weight" in named(staged())
