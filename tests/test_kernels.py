"""The fast layers compute what torch's own do, to rounding, and are named the same."""

import copy

import pytest
import torch
from torch import Tensor, nn

from ablation import kernels
from ablation.fold import fold
from ablation.model import import_torchvision

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
    fast = kernels.Norm(norm)
    _assert_near(_step(fast, x), wanted)
    fast.eval(), norm.eval()
    assert torch.equal(fast(x), norm(x))


@pytest.mark.parametrize("kind", ["ReLU6", "SiLU"])
def test_trained_layers_can_be_folded_to_be_judged(kind: str) -> None:
    conv = nn.Conv2d(24, 24, 5, padding=2, groups=24, bias=False)
    block, x = nn.Sequential(conv, _norm(kind, 24)), _maps(4, 24, 9, 9)
    kernels.quicken(block)
    block(x).sum().backward()
    folded = fold(block, x)
    assert not any(isinstance(part, nn.BatchNorm2d) for part in folded.modules())
    with torch.no_grad():
        assert torch.allclose(folded(x), block(x), rtol=1e-4, atol=1e-4)


def test_norm_keeps_its_digits_where_the_mean_is_far_from_zero() -> None:
    x = _maps(8, 16, 32, 32, offset=1000.0)
    norm = _norm("none", 16)
    wanted = _in_float64(norm, x)
    got = _step(kernels.Norm(norm), x)
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
    _assert_near(_step(kernels.Depthwise(layer), x), wanted)


def test_a_quickened_network_has_the_same_weights_under_the_same_names() -> None:
    import timm

    network = timm.create_model("efficientnet_lite0", num_classes=2)
    network.to(memory_format=torch.channels_last)
    slow = copy.deepcopy(network)
    weights = dict(network.named_parameters())
    kernels.quicken(network)
    kinds = {type(module) for module in network.modules()}
    assert {kernels.Norm, kernels.Depthwise} <= kinds
    assert BatchNormAct2d not in kinds
    assert list(network.state_dict()) == list(slow.state_dict())
    assert all(weights[name] is weight for name, weight in network.named_parameters())
    x = _maps(8, 3, 96, 96) / 3
    exact = copy.deepcopy(slow).double()
    steps = [_step(exact, x.double()), _step(slow, x), _step(network, x)]
    # Fifty BatchNorms make much of a rounding: no worse than torch's own, against float64.
    for name, wanted in steps[0].items():
        if name.endswith("gradient"):
            slow_error, fast_error = ((step[name] - wanted).norm() for step in steps[1:])
            assert fast_error <= 2 * slow_error + 1e-6 * wanted.norm(), name
    network.eval(), slow.eval()
    assert torch.allclose(network(x), slow(x), rtol=1e-2, atol=1e-3)


def test_what_the_kernels_can_t_do_is_left_to_torch() -> None:
    layers = nn.Sequential(
        nn.BatchNorm2d(4, affine=False),
        nn.BatchNorm2d(4, momentum=None),
        nn.Conv2d(4, 4, 3, groups=4, bias=False),
        nn.Conv2d(4, 4, 5, groups=2, bias=False),
        nn.Conv2d(4, 4, 5, groups=4),
        nn.BatchNorm1d(4),
    )
    kinds = [type(layer) for layer in layers]
    kernels.quicken(layers)
    assert [type(layer) for layer in layers] == kinds
    norm = kernels.Norm(_norm("ReLU", 4))
    contiguous = torch.randn(2, 4, 3, 3)
    assert norm(contiguous).shape == contiguous.shape
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.isfinite(norm(_maps(2, 4, 3, 3))).all()


def test_the_number_of_threads_changes_no_digit() -> None:
    import numba

    norm, x = _norm("ReLU6", 24), _maps(4, 24, 28, 28)
    seen = []
    for n_threads in (1, numba.config.NUMBA_NUM_THREADS):
        numba.set_num_threads(n_threads)
        seen.append(_step(kernels.Norm(copy.deepcopy(norm)), x))
    assert all(torch.equal(seen[0][name], seen[1][name]) for name in seen[0])
