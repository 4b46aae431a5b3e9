"""Networks that only judge made faster: BatchNorms folded into the convolutions before them."""

import copy
import itertools
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ablation.network.cpu.same import are_same, plain, without_copies

#: Below and above which an activation cuts.
Bounds = tuple[float, float]
UNBOUNDED: Bounds = (-torch.inf, torch.inf)


@torch.no_grad()
def fold(module: nn.Module, probe: Tensor) -> nn.Module:
    """A copy for inference, or the module itself where folding would change its function.

    A BatchNorm in evaluation mode is a scale and a shift of each channel, so it can be part of the
    convolution whose output it takes. That the two are neighbours among a block's children does
    not prove that the one feeds the other: the folded copy is checked on a probe.

    Args:
        module: in evaluation mode from here on.
        probe: a few of the module's inputs.
    """
    module.eval()
    folded = copy.deepcopy(module)
    # Only where it was measured.
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
    """Convolutions that seem to feed a BatchNorm: the block that holds both, and their names."""
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
    """None where it is another kind of function than one that cuts."""
    if isinstance(activation, nn.Identity):
        return UNBOUNDED
    if isinstance(activation, nn.ReLU):
        return 0.0, torch.inf
    if isinstance(activation, nn.Hardtanh):  # ReLU6 is one
        return float(activation.min_val), float(activation.max_val)
    return None


def clamped(x: Tensor, weight: Tensor, bias: Tensor | None, cuts: Bounds, **shape: Any) -> Tensor:
    """A convolution and the activation behind it; together where oneDNN does that, for inference.

    Args:
        shape: stride, padding, dilation and groups, as `torch.nn.functional.conv2d` names them.
    """
    if cuts == UNBOUNDED or not _ONEDNN or not is_plain(x):
        y = F.conv2d(x, weight, bias, **shape)
        return y if cuts == UNBOUNDED else y.clamp_(*cuts)
    kind, numbers = ("relu", []) if cuts == (0, torch.inf) else ("hardtanh", list(cuts))
    order = [shape[key] for key in ("padding", "stride", "dilation", "groups")]
    return _ONEDNN(x, weight, bias, *order, kind, numbers, "")  # type: ignore[no-any-return]


def is_plain(x: Tensor) -> bool:
    """Whether it is computed as it is: float32 on a CPU."""
    is_cast = torch.is_autocast_enabled("cpu")
    return x.device.type == "cpu" and x.dtype == torch.float32 and not is_cast


#: None in a torch that was built without oneDNN.
_ONEDNN = getattr(torch.ops.mkldnn, "_convolution_pointwise", None)


class Clamped(nn.Module):
    """A convolution that judges, with the activation behind it."""

    def __init__(self, conv: nn.Conv2d, cuts: Bounds) -> None:
        super().__init__()
        self.weight, self.bias = conv.weight, conv.bias
        self._cuts = cuts
        self._shape = {key: getattr(conv, key) for key in ("stride", "dilation", "groups")}
        self._shape["padding"] = conv.padding

    def forward(self, x: Tensor) -> Tensor:
        return clamped(x, self.weight, self.bias, self._cuts, **self._shape)


def _folded(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[nn.Module, nn.Module]:
    """The convolution with all that it can take over, and what is left of the norm.

    timm's BatchNorms have an activation besides, and dropout, which judging does without.
    """
    together = fuse_conv_bn_eval(conv, norm)
    if getattr(together, "is_turned", False):
        together = plain(together)
    activation = getattr(norm, "act", None) or nn.Identity()
    cuts = bounds(activation)
    # Same padding in words, one that is not of zeros, and a forward of one's own are left alone.
    is_common = (
        type(together).forward is nn.Conv2d.forward
        and isinstance(together.padding, tuple)
        and together.padding_mode == "zeros"
    )
    if is_common and cuts is not None and cuts != UNBOUNDED:
        return Clamped(together, cuts), nn.Identity()
    return together, activation
