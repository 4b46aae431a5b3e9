"""Layers are replaced where the same function is computed, and nowhere else."""

import copy

import numba
import torch
from torch import Tensor, nn

from ablation.compat import import_torchvision
from ablation.network.cpu import layers
from ablation.network.cpu.replace import replace_layers
from tests.network.cpu.made_up import (
    assert_near,
    assert_no_worse,
    in_float64,
    maps,
    norm_of,
    step,
)

import_torchvision()
import timm  # noqa: E402
from timm.layers import BatchNormAct2d  # noqa: E402


def test_a_widening_is_told_from_neighbours_that_only_seem_to_be_one() -> None:
    class Seeming(nn.Module):
        def __init__(self, way: str) -> None:
            super().__init__()
            self.conv = nn.Conv2d(8, 16, 1, bias=False)
            self.norm = nn.BatchNorm2d(16)
            self.way = way

        def forward(self, x: Tensor) -> Tensor:
            if self.way == "norm first":
                return self.conv(self.norm(x.repeat(1, 2, 1, 1))[:, :8])
            y = self.conv(x)
            if self.way == "one more use":
                return self.norm(y) + y
            return self.norm(y * 2 if self.way == "something between" else y)

    x = maps(2, 8, 30, 30)
    for way in ("norm first", "one more use", "something between", ""):
        torch.manual_seed(0)
        block = Seeming(way).to(memory_format=torch.channels_last)
        wanted = in_float64(block, x)
        replace_layers(block, x)
        assert isinstance(block.conv, layers.Widening) == (not way), way
        block.train()
        assert_near(step(block, x), wanted)


def test_a_network_with_fast_layers_has_the_same_weights_under_the_same_names() -> None:
    network = timm.create_model("efficientnet_lite0", num_classes=2)
    network.to(memory_format=torch.channels_last)
    slow = copy.deepcopy(network)
    weights = dict(network.named_parameters())
    replace_layers(network, maps(1, 3, 96, 96))
    kinds = {type(module) for module in network.modules()}
    assert {layers.Norm, layers.Depthwise, layers.Widening} <= kinds
    assert BatchNormAct2d not in kinds
    assert list(network.state_dict()) == list(slow.state_dict())
    assert all(weights[name] is weight for name, weight in network.named_parameters())
    x = maps(8, 3, 96, 96) / 3
    network.train()
    exact = copy.deepcopy(slow).double()
    # Fifty BatchNorms make much of a rounding.
    assert_no_worse(step(network, x), step(slow, x), step(exact, x.double()))
    network.eval(), slow.eval()
    assert torch.allclose(network(x), slow(x), rtol=1e-2, atol=1e-3)


def test_what_the_kernels_can_t_do_is_left_to_torch() -> None:
    others = nn.Sequential(
        nn.BatchNorm2d(4, affine=False),
        nn.BatchNorm2d(4, momentum=None),
        nn.Conv2d(4, 4, 3, groups=4, bias=False),
        nn.Conv2d(4, 4, 5, groups=2, bias=False),
        nn.Conv2d(4, 4, 5, groups=4),
        nn.BatchNorm1d(4),
    )
    kinds = [type(layer) for layer in others]
    replace_layers(others, maps(2, 4, 9, 9))
    assert [type(layer) for layer in others] == kinds
    norm = layers.Norm(norm_of("ReLU", 4))
    contiguous = torch.randn(2, 4, 3, 3)
    assert norm(contiguous).shape == contiguous.shape
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.isfinite(norm(maps(2, 4, 3, 3))).all()


def test_the_number_of_threads_changes_no_digit() -> None:
    block = nn.Sequential(
        norm_of("ReLU6", 24), nn.Conv2d(24, 96, 1, bias=False), norm_of("ReLU6", 96)
    )
    block.to(memory_format=torch.channels_last)
    x = maps(4, 24, 28, 28)
    n_before, seen = torch.get_num_threads(), []
    for n_threads in (1, numba.config.NUMBA_NUM_THREADS):
        torch.set_num_threads(n_threads)
        fast = copy.deepcopy(block)
        replace_layers(fast, x)
        seen.append(step(fast.train(), x))
    torch.set_num_threads(n_before)
    assert all(torch.equal(seen[0][name], seen[1][name]) for name in seen[0])
