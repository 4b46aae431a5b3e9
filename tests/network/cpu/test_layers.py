"""The fast layers compute what torch's own do, to rounding, and are named the same."""

import copy
import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ablation.network.compat import import_torchvision
from ablation.network.cpu import layers, quicken
from ablation.network.cpu.fold import fold

import_torchvision()
from timm.layers import BatchNormAct2d  # noqa: E402


def _maps(*shape: int, offset: float = 0.0) -> Tensor:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0)) * 3 + offset
    return x.contiguous(memory_format=torch.channels_last)


def _step(layer: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """Everything that one training step can see of a layer."""
    x = x.detach().requires_grad_()
    y = layer(x)
    weights = torch.linspace(-1, 2, y.numel(), dtype=y.dtype).view(y.shape)
    (y * weights).sum().backward()
    assert x.grad is not None
    seen = {"output": y.detach(), "input's gradient": x.grad, **layer.state_dict()}
    for name, parameter in layer.named_parameters():
        assert parameter.grad is not None
        seen[f"{name}'s gradient"] = parameter.grad
    return seen


def _in_float64(layer: nn.Module, x: Tensor) -> dict[str, Tensor]:
    return _step(copy.deepcopy(layer).double(), x.double())


def _assert_near(got: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    assert got.keys() == wanted.keys()
    for name, value in wanted.items():
        scale = value.abs().max().item() + 1e-6
        # An output at an activation's very edge may fall on either side of it.
        off = ((got[name] - value).abs() > 2e-5 * scale).double().mean().item()
        assert off <= (1e-3 if "input" in name else 0), name


def _assert_no_worse(
    got: dict[str, Tensor], slow: dict[str, Tensor], exact: dict[str, Tensor]
) -> None:
    """Than torch's own layers in float32, both measured against float64."""
    for name, wanted in exact.items():
        slow_error, error = ((step[name].double() - wanted).norm() for step in (slow, got))
        assert error <= 2 * slow_error + 1e-6 * wanted.double().norm(), name


def _norm(kind: str, n_channels: int) -> nn.BatchNorm2d:
    torch.manual_seed(1)
    if kind == "none":
        norm = nn.BatchNorm2d(n_channels)
    else:
        norm = BatchNormAct2d(n_channels, act_layer=getattr(nn, kind))
    nn.init.normal_(norm.weight, 1, 0.5)
    nn.init.normal_(norm.bias)
    return norm


@pytest.mark.parametrize("kind", ["none", "ReLU", "ReLU6", "SiLU"])
@pytest.mark.parametrize("shape", [(4, 16, 8, 8), (3, 24, 5, 7), (6, 300, 1, 1), (1, 1, 9, 9)])
def test_norm_trains_as_torch_does(kind: str, shape: tuple[int, ...]) -> None:
    norm, x = _norm(kind, shape[1]), _maps(*shape)
    wanted = _in_float64(norm, x)
    fast = layers.Norm(norm)
    _assert_near(_step(fast, x), wanted)
    fast.eval(), norm.eval()
    assert torch.equal(fast(x), norm(x))


@pytest.mark.parametrize("kind", ["none", "ReLU", "ReLU6", "SiLU"])
@pytest.mark.parametrize("offset", [0.0, 30.0])
def test_a_widening_trains_as_convolution_and_norm_do(kind: str, offset: float) -> None:
    x = _maps(3, 16, 24, 23, offset=offset)
    block = nn.Sequential(nn.Conv2d(16, 48, 1, bias=False), _norm(kind, 48))
    block.to(memory_format=torch.channels_last)
    exact, slow = _in_float64(block, x), _step(copy.deepcopy(block), x)
    quicken.quicken(block, x)
    assert isinstance(block[0], layers.Widening)
    block.train()
    _assert_no_worse(_step(block, x), slow, exact)


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

    x = _maps(2, 8, 30, 30)
    for way in ("norm first", "one more use", "something between", ""):
        torch.manual_seed(0)
        block = Seeming(way).to(memory_format=torch.channels_last)
        wanted = _in_float64(block, x)
        quicken.quicken(block, x)
        assert isinstance(block.conv, layers.Widening) == (not way), way
        block.train()
        _assert_near(_step(block, x), wanted)


@pytest.mark.parametrize("kind", ["ReLU6", "SiLU"])
def test_trained_layers_can_be_folded_to_be_judged(kind: str) -> None:
    conv = nn.Conv2d(24, 24, 5, padding=2, groups=24, bias=False)
    block, x = nn.Sequential(conv, _norm(kind, 24)), _maps(4, 24, 9, 9)
    quicken.quicken(block, x)
    block(x).sum().backward()
    folded = fold(block, x)
    assert not any(isinstance(part, nn.BatchNorm2d) for part in folded.modules())
    with torch.no_grad():
        assert torch.allclose(folded(x), block(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["efficientnet_lite0", "tf_efficientnet_lite0", "resnet18"])
def test_a_folded_network_judges_as_it_did(name: str) -> None:
    """The second pads its strided convolutions by the size of what it is given."""
    import timm

    torch.manual_seed(0)
    network = timm.create_model(name, num_classes=3).eval()
    for norm in (m for m in network.modules() if isinstance(m, nn.BatchNorm2d)):
        nn.init.uniform_(norm.running_mean, -0.5, 0.5)
        nn.init.uniform_(norm.running_var, 0.5, 2)
        nn.init.normal_(norm.bias)
    x = _maps(3, 3, 75, 64)
    folded = fold(network, x[:2])
    assert not any(isinstance(part, nn.BatchNorm2d) for part in folded.modules())
    with torch.no_grad():
        wanted, got = network(x), folded(x)
    assert (wanted - got).abs().max() < 1e-4 * wanted.abs().max()


def test_norm_keeps_its_digits_where_the_mean_is_far_from_zero() -> None:
    x = _maps(8, 16, 32, 32, offset=1000.0)
    norm = _norm("none", 16)
    wanted = _in_float64(norm, x)
    got = _step(layers.Norm(norm), x)
    assert (got["running_var"] - wanted["running_var"]).abs().max() < 1e-3
    assert (got["output"] - wanted["output"]).abs().max() < 2e-3


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("side", "size"), [(5, (9, 8)), (7, (14, 14)), (5, (3, 2))])
def test_depthwise_filters_train_as_torch_s_do(
    side: int, size: tuple[int, int], stride: int
) -> None:
    torch.manual_seed(1)
    layer = nn.Conv2d(300, 300, side, stride, side // 2, groups=300, bias=False)
    x = _maps(3, 300, *size)
    wanted = _in_float64(layer, x)
    _assert_near(_step(layers.Depthwise(layer), x), wanted)


def test_a_quickened_network_has_the_same_weights_under_the_same_names() -> None:
    import timm

    network = timm.create_model("efficientnet_lite0", num_classes=2)
    network.to(memory_format=torch.channels_last)
    slow = copy.deepcopy(network)
    weights = dict(network.named_parameters())
    quicken.quicken(network, _maps(1, 3, 96, 96))
    kinds = {type(module) for module in network.modules()}
    assert {layers.Norm, layers.Depthwise, layers.Widening} <= kinds
    assert BatchNormAct2d not in kinds
    assert list(network.state_dict()) == list(slow.state_dict())
    assert all(weights[name] is weight for name, weight in network.named_parameters())
    x = _maps(8, 3, 96, 96) / 3
    network.train()
    exact = copy.deepcopy(slow).double()
    # Fifty BatchNorms make much of a rounding.
    _assert_no_worse(_step(network, x), _step(slow, x), _step(exact, x.double()))
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
    quicken.quicken(others, _maps(2, 4, 9, 9))
    assert [type(layer) for layer in others] == kinds
    norm = layers.Norm(_norm("ReLU", 4))
    contiguous = torch.randn(2, 4, 3, 3)
    assert norm(contiguous).shape == contiguous.shape
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.isfinite(norm(_maps(2, 4, 3, 3))).all()


def test_the_number_of_threads_changes_no_digit() -> None:
    import numba

    block = nn.Sequential(_norm("ReLU6", 24), nn.Conv2d(24, 96, 1, bias=False), _norm("ReLU6", 96))
    block.to(memory_format=torch.channels_last)
    x = _maps(4, 24, 28, 28)
    n_before, seen = torch.get_num_threads(), []
    for n_threads in (1, numba.config.NUMBA_NUM_THREADS):
        torch.set_num_threads(n_threads)
        fast = copy.deepcopy(block)
        quicken.quicken(fast, x)
        seen.append(_step(fast.train(), x))
    torch.set_num_threads(n_before)
    assert all(torch.equal(seen[0][name], seen[1][name]) for name in seen[0])


# --- What torch refuses


def _depthwise() -> nn.Module:
    return nn.Conv2d(24, 24, 5, padding=2, groups=24, bias=False)


def _widening() -> nn.Module:
    block = nn.Sequential(nn.Conv2d(8, 24, 1, bias=False), _norm("ReLU6", 24))
    return block.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


#: A layer or a block of torch's, which `quicken` makes fast, and the channels that it is given.
KINDS: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "norm": (lambda: nn.Sequential(_norm("none", 24)), 24),
    "norm and ReLU": (lambda: nn.Sequential(_norm("ReLU", 24)), 24),
    "widening": (_widening, 8),
    "depthwise": (lambda: nn.Sequential(_depthwise()), 24),
}


def _pair(kind: str) -> tuple[nn.Module, nn.Module]:
    """The same block twice: torch's, and the fast one."""
    slow = KINDS[kind][0]()
    fast = copy.deepcopy(slow)
    quicken.quicken(fast, _maps(2, KINDS[kind][1], 24, 24))
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
    x = (_maps(2, KINDS[kind][1], 24, 24) * 10).to(dtype)
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
    x = _maps(2, KINDS[kind][1], 24, 24)
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
    for x, part in ((_maps(2, 8, 24, 24), 1), (_maps(2, 24, 24, 24), 0)):
        for block in (slow, fast):
            with pytest.raises((RuntimeError, ValueError)):
                block[part](x)  # type: ignore[index]
    _assert_alike("widening", slow, fast, _maps(2, 24, 24, 24))
    assert _assert_alike("widening", *_pair("widening"), _maps(2, 8, 24, 24))
