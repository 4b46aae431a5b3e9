"""The fast layers compute what torch's own do, gradients too, and refuse what those refuse."""

import copy
import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

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


@pytest.mark.parametrize("kind", ["none", "ReLU", "ReLU6", "SiLU"])
@pytest.mark.parametrize("shape", [(4, 16, 8, 8), (3, 24, 5, 7), (6, 300, 1, 1), (1, 1, 9, 9)])
def test_norm_trains_as_torch_does(kind: str, shape: tuple[int, ...]) -> None:
    norm, x = norm_of(kind, shape[1]), maps(*shape)
    wanted = in_float64(norm, x)
    fast = layers.Norm(norm)
    assert_near(step(fast, x), wanted)
    fast.eval(), norm.eval()
    assert torch.equal(fast(x), norm(x))


@pytest.mark.parametrize("kind", ["none", "ReLU", "ReLU6", "SiLU"])
@pytest.mark.parametrize("offset", [0.0, 30.0])
def test_a_widening_trains_as_convolution_and_norm_do(kind: str, offset: float) -> None:
    x = maps(3, 16, 24, 23, offset=offset)
    block = nn.Sequential(nn.Conv2d(16, 48, 1, bias=False), norm_of(kind, 48))
    block.to(memory_format=torch.channels_last)
    exact, slow = in_float64(block, x), step(copy.deepcopy(block), x)
    replace_layers(block, x)
    assert isinstance(block[0], layers.Widening)
    block.train()
    assert_no_worse(step(block, x), slow, exact)


def test_norm_keeps_its_digits_where_the_mean_is_far_from_zero() -> None:
    x = maps(8, 16, 32, 32, offset=1000.0)
    norm = norm_of("none", 16)
    wanted = in_float64(norm, x)
    got = step(layers.Norm(norm), x)
    assert (got["running_var"] - wanted["running_var"]).abs().max() < 1e-3
    assert (got["output"] - wanted["output"]).abs().max() < 2e-3


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("side", "size"), [(5, (9, 8)), (7, (14, 14)), (5, (3, 2))])
def test_depthwise_filters_train_as_torch_s_do(
    side: int, size: tuple[int, int], stride: int
) -> None:
    torch.manual_seed(1)
    layer = nn.Conv2d(300, 300, side, stride, side // 2, groups=300, bias=False)
    x = maps(3, 300, *size)
    wanted = in_float64(layer, x)
    assert_near(step(layers.Depthwise(layer), x), wanted)


# --- What torch refuses


def _depthwise() -> nn.Module:
    return nn.Conv2d(24, 24, 5, padding=2, groups=24, bias=False)


def _widening() -> nn.Module:
    block = nn.Sequential(nn.Conv2d(8, 24, 1, bias=False), norm_of("ReLU6", 24))
    return block.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


#: Layers of torch that `replace_layers` replaces, and how many channels they are given.
KINDS: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "norm": (lambda: nn.Sequential(norm_of("none", 24)), 24),
    "norm and ReLU": (lambda: nn.Sequential(norm_of("ReLU", 24)), 24),
    "widening": (_widening, 8),
    "depthwise": (lambda: nn.Sequential(_depthwise()), 24),
}


def _pair(kind: str) -> tuple[nn.Module, nn.Module]:
    """The same block twice: torch's, and the fast one."""
    slow = KINDS[kind][0]()
    fast = copy.deepcopy(slow)
    replace_layers(fast, maps(2, KINDS[kind][1], 24, 24))
    own = {layers.Norm, layers.Widening, layers.Depthwise}
    assert {type(part) for part in fast} <= own  # type: ignore[attr-defined]
    return slow.train(), fast.train()


def _outcome(block: nn.Module, x: Tensor) -> dict[str, Tensor] | type[Exception]:
    """One training step's results, or the kind of error."""
    try:
        x = x.clone(memory_format=torch.preserve_format)
        if x.is_floating_point():
            x.requires_grad_()
        y = block(x)
        y.sum().backward()
    except Exception as error:
        return type(error)
    found = {"output": y.detach(), **block.state_dict()}
    return {name: value.double() for name, value in found.items() if value.numel()}


def _assert_alike(kind: str, slow: nn.Module, fast: nn.Module, x: Tensor) -> bool:
    """That the fast block refuses what torch's does, and else gives the same; whether it did."""
    wanted, got = _outcome(slow, x), _outcome(fast, x)
    what = f"{kind}, {tuple(x.shape)}, {x.dtype}"
    if isinstance(wanted, type):
        assert isinstance(got, type), what
        return False
    assert isinstance(got, dict), what
    assert got.keys() == wanted.keys()
    for name, value in wanted.items():
        assert torch.allclose(got[name], value, rtol=1e-3, atol=1e-3), f"{what}: {name}"
    return True


@pytest.mark.parametrize("kind", list(KINDS))
def test_whatever_shape_torch_refuses_is_refused(kind: str) -> None:
    n_channels = KINDS[kind][1]
    shapes: set[tuple[int, ...]] = set()
    for n, c, side in itertools.product((0, 1, 2), (1, 7, 8, 16, 24, 48), (0, 1, 2, 23)):
        shapes |= {(n, c, side, side), (n, c, side, side + 1), (c, side, side)}
    shapes |= {(2, n_channels), (n_channels,), (2, n_channels, 4), (2, n_channels, 3, 3, 3), ()}
    random = np.random.default_rng(0)
    shapes |= {tuple(random.integers(0, 40, random.integers(2, 6)).tolist()) for _ in range(200)}
    n_done = 0
    for shape in sorted(shapes):
        slow, fast = _pair(kind)
        x = torch.randn(shape)
        if len(shape) == 4:
            x = x.contiguous(memory_format=torch.channels_last)
        n_done += _assert_alike(kind, slow, fast, x)
        if len(shape) == 4:
            n_done += _assert_alike(kind, slow, fast, x.contiguous())
    assert 0 < n_done < 2 * len(shapes)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16, torch.int64])
@pytest.mark.parametrize("kind", list(KINDS))
def test_a_mixture_of_types_that_torch_refuses_is_refused(kind: str, dtype: torch.dtype) -> None:
    x = (maps(2, KINDS[kind][1], 24, 24) * 10).to(dtype)
    _assert_alike(kind, *_pair(kind), x)
    if dtype.is_floating_point:
        slow, fast = _pair(kind)
        _assert_alike(kind, slow.to(dtype), fast.to(dtype), x.float())
        slow, fast = _pair(kind)
        for block in (slow, fast):
            for part in block:  # type: ignore[attr-defined]
                part.weight.data = part.weight.data.to(dtype)
        _assert_alike(kind, slow, fast, x.float())


CHANGES: dict[str, Callable[[nn.Module], object]] = {
    "no momentum": lambda part: setattr(part, "momentum", None),
    "no running mean": lambda part: setattr(part, "running_mean", None),
    "no statistics": lambda part: [
        setattr(part, name, None) for name in ("running_mean", "running_var")
    ],
    "no count": lambda part: setattr(part, "num_batches_tracked", None),
    "a short weight": lambda part: setattr(part, "weight", nn.Parameter(part.weight.data[:3])),
    "a long weight": lambda part: setattr(
        part, "weight", nn.Parameter(torch.cat([part.weight.data] * 2))
    ),
    "a short mean": lambda part: setattr(part, "running_mean", torch.zeros(3)),
    "a mean of float64": lambda part: setattr(part, "running_mean", torch.zeros(24).double()),
    "a bias": lambda part: setattr(part, "bias", nn.Parameter(torch.ones(24))),
    "a short bias": lambda part: setattr(part, "bias", nn.Parameter(torch.ones(3))),
    "a weight that is still": lambda part: part.requires_grad_(False),
    "evaluation": lambda part: part.eval(),
}


@pytest.mark.parametrize("change", list(CHANGES))
@pytest.mark.parametrize("kind", list(KINDS))
def test_a_layer_that_was_changed_refuses_what_torch_s_does(kind: str, change: str) -> None:
    x = maps(2, KINDS[kind][1], 24, 24)
    for at in range(len(_pair(kind)[0])):  # type: ignore[arg-type]
        slow, fast = _pair(kind)
        if "mean" in change and not hasattr(slow[at], "running_mean"):  # type: ignore[index]
            continue
        for block in (slow, fast):
            CHANGES[change](block[at])  # type: ignore[index]
        _assert_alike(f"{kind} with {change}", slow, fast, x)


def test_maps_that_miss_the_convolution_before_are_refused() -> None:
    """A norm that follows a widening knows maps of fewer channels from that convolution alone."""
    slow, fast = _pair("widening")
    for x, part in ((maps(2, 8, 24, 24), 1), (maps(2, 24, 24, 24), 0)):
        for block in (slow, fast):
            with pytest.raises((RuntimeError, ValueError)):
                block[part](x)  # type: ignore[index]
    _assert_alike("widening", slow, fast, maps(2, 24, 24, 24))
    assert _assert_alike("widening", *_pair("widening"), maps(2, 8, 24, 24))
