"""Networks that only judge made faster: BatchNorms folded into the convolutions before them."""

import copy
import itertools

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

#: Largest relative change of the output that counts as rounding.
ROUNDING = 1e-4


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
    n_folded = 0
    for block in list(folded.modules()):
        for (name, conv), (norm_name, norm) in itertools.pairwise(list(block.named_children())):
            if (
                isinstance(conv, nn.Conv2d)
                and isinstance(norm, nn.BatchNorm2d)
                and _fit(conv, norm)
            ):
                setattr(block, name, fuse_conv_bn_eval(conv, norm))
                setattr(block, norm_name, _rest(norm))
                n_folded += 1
    if not n_folded:
        return module
    folded.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    wanted, got = module(probe), folded(probe)
    is_same = (wanted - got).abs().max() <= ROUNDING * wanted.abs().max()
    return folded if is_same else module


def _fit(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> bool:
    return norm.track_running_stats and conv.out_channels == norm.num_features


def _rest(norm: nn.Module) -> nn.Module:
    """What timm's BatchNorms do besides: dropout and an activation."""
    parts = [part for part in (getattr(norm, "drop", None), getattr(norm, "act", None)) if part]
    return nn.Sequential(*parts)
