"""Faster networks for inference: each BatchNorm is folded into the convolution before it."""

import copy
import itertools
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ablation.network.cpu.same import are_same, plain, without_copies

#: The least and the largest value that an activation lets through.
Bounds = tuple[float, float]
UNBOUNDED: Bounds = (-torch.inf, torch.inf)

#: A convolution and its activation in one call of oneDNN; None in a torch built without oneDNN.
_ONEDNN = getattr(torch.ops.mkldnn, "_convolution_pointwise", None)


@torch.no_grad()
def fold(module: nn.Module, probe: Tensor) -> nn.Module:
    """A copy for inference, or the module itself where folding would change its function.

    A BatchNorm in evaluation mode scales and shifts each channel, so it can be part of the
    convolution whose output it is given. Two neighbours among a block's children are not
    necessarily connected, so the copy's outputs are compared with the module's on the probe.

    Args:
        module: in evaluation mode afterwards.
        probe: a few of the module's inputs.
    """
    module.eval()
    if not any(isinstance(part, nn.BatchNorm2d) for part in module.modules()):
        return module
    folded = copy.deepcopy(module)
    # Measured to be faster for float32 on a CPU only.
    if isinstance(folded, nn.Sequential) and is_plain(probe):
        without_copies(folded, probe)
    pairs = list(neighbours(folded))
    if not pairs:
        return module
    for block, (name, conv), (norm_name, norm) in pairs:
        together, rest = _folded(conv, norm)
        setattr(block, name, together)
        setattr(block, norm_name, rest)
    folded.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return folded if are_same(module(probe), folded(probe)) else module


def neighbours(
    module: nn.Module,
) -> Iterator[tuple[nn.Module, tuple[str, nn.Conv2d], tuple[str, nn.BatchNorm2d]]]:
    """Each convolution that is followed by a BatchNorm which fits it among a block's children.

    Yields:
        The block, the convolution's name there and itself, the norm's name and itself.
    """
    for block in list(module.modules()):
        for (name, conv), (norm_name, norm) in itertools.pairwise(list(block.named_children())):
            if (
                isinstance(conv, nn.Conv2d)
                and isinstance(norm, nn.BatchNorm2d)
                and norm.track_running_stats
                and conv.out_channels == norm.num_features
            ):
                yield block, (name, conv), (norm_name, norm)


def bounds(activation: nn.Module) -> Bounds | None:
    """The bounds of an activation that clamps its input; None for any other activation."""
    if isinstance(activation, nn.Identity):
        return UNBOUNDED
    if isinstance(activation, nn.ReLU):
        return 0.0, torch.inf
    if isinstance(activation, nn.Hardtanh):  # ReLU6 is one
        return float(activation.min_val), float(activation.max_val)
    return None


def clamped(x: Tensor, weight: Tensor, bias: Tensor | None, limits: Bounds, **shape: Any) -> Tensor:
    """A convolution followed by a clamp, without gradients; in one pass where oneDNN can.

    Args:
        x: shape (n, n_channels, height, width).
        weight: of the convolution.
        bias: of the convolution.
        limits: the least and the largest value of the output.
        shape: stride, padding, dilation and groups, as `torch.nn.functional.conv2d` names them.
    """
    if limits == UNBOUNDED or not _ONEDNN or not is_plain(x):
        y = F.conv2d(x, weight, bias, **shape)
        return y if limits == UNBOUNDED else y.clamp_(*limits)
    kind, numbers = ("relu", []) if limits == (0, torch.inf) else ("hardtanh", list(limits))
    order = [shape[key] for key in ("padding", "stride", "dilation", "groups")]
    return _ONEDNN(x, weight, bias, *order, kind, numbers, "")  # type: ignore[no-any-return]


def is_plain(x: Tensor) -> bool:
    """Whether x is float32 on a CPU and will be computed with as such, without autocast."""
    is_cast = torch.is_autocast_enabled("cpu")
    return x.device.type == "cpu" and x.dtype == torch.float32 and not is_cast


class Clamped(nn.Module):
    """A convolution and the clamping activation after it, for inference."""

    def __init__(self, conv: nn.Conv2d, limits: Bounds) -> None:
        super().__init__()
        self.weight, self.bias = conv.weight, conv.bias
        self._limits = limits
        self._shape = {key: getattr(conv, key) for key in ("stride", "dilation", "groups")}
        self._shape["padding"] = conv.padding

    def forward(self, x: Tensor) -> Tensor:
        return clamped(x, self.weight, self.bias, self._limits, **self._shape)


def _folded(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[nn.Module, nn.Module]:
    """The convolution with as much of the norm as it can take over, and the rest of the norm.

    timm's BatchNorms contain an activation, and dropout, which inference does without.
    """
    together = fuse_conv_bn_eval(conv, norm)
    if getattr(together, "is_turned", False):
        together = plain(together)
    activation = getattr(norm, "act", None) or nn.Identity()
    limits = bounds(activation)
    # `Clamped` knows neither padding that is named or not of zeros, nor a forward of another class.
    is_common = (
        type(together).forward is nn.Conv2d.forward
        and isinstance(together.padding, tuple)
        and together.padding_mode == "zeros"
    )
    if is_common and limits is not None and limits != UNBOUNDED:
        return Clamped(together, limits), nn.Identity()
    return together, activation
