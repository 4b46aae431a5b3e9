"""Feature maps and layers that the tests of the CPU's layers share, and how they are compared."""

import copy

import torch
from torch import Tensor, nn

from ablation.compat import import_torchvision

import_torchvision()
from timm.layers import BatchNormAct2d  # noqa: E402


def maps(*shape: int, offset: float = 0.0) -> Tensor:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0)) * 3 + offset
    return x.contiguous(memory_format=torch.channels_last)


def step(layer: nn.Module, x: Tensor) -> dict[str, Tensor]:
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


def in_float64(layer: nn.Module, x: Tensor) -> dict[str, Tensor]:
    return step(copy.deepcopy(layer).double(), x.double())


def assert_near(got: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    assert got.keys() == wanted.keys()
    for name, value in wanted.items():
        scale = value.abs().max().item() + 1e-6
        # An output at an activation's very edge may fall on either side of it.
        off = ((got[name] - value).abs() > 2e-5 * scale).double().mean().item()
        assert off <= (1e-3 if "input" in name else 0), name


def assert_no_worse(
    got: dict[str, Tensor], slow: dict[str, Tensor], exact: dict[str, Tensor]
) -> None:
    """Than torch's own layers in float32, both measured against float64."""
    for name, wanted in exact.items():
        slow_error, error = ((seen[name].double() - wanted).norm() for seen in (slow, got))
        assert error <= 2 * slow_error + 1e-6 * wanted.double().norm(), name


def norm_of(kind: str, n_channels: int) -> nn.BatchNorm2d:
    torch.manual_seed(1)
    if kind == "none":
        norm = nn.BatchNorm2d(n_channels)
    else:
        norm = BatchNormAct2d(n_channels, act_layer=getattr(nn, kind))
    nn.init.normal_(norm.weight, 1, 0.5)
    nn.init.normal_(norm.bias)
    return norm
