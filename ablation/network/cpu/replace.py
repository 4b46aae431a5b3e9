"""Which layers of a network are replaced by faster ones that compute the same."""

from typing import TypeGuard

import numba
import torch
from torch import Tensor, nn

from ablation.network.cpu.fold import neighbours
from ablation.network.cpu.layers import Depthwise, Norm, Widening
from ablation.network.cpu.same import Turned, are_same, without_copies


def replace_layers(module: nn.Sequential, probe: Tensor) -> None:
    """Replace layers by those of `layers` and `same` where the same function is computed, in place.

    Weights and buffers stay the same objects under the same names.

    Args:
        module: in evaluation mode afterwards.
        probe: one or a few of the module's inputs.
    """
    n_threads = torch.get_num_threads()
    numba.set_num_threads(min(n_threads, numba.config.NUMBA_NUM_THREADS))
    # Numba's first use sets the number of threads for all that uses the same OpenMP, torch too.
    torch.set_num_threads(n_threads)
    without_copies(module, probe)
    for block in list(module.modules()):
        for name, child in list(block.named_children()):
            if _is_plain_norm(child):
                setattr(block, name, Norm(child))
            elif _is_wide_depthwise(child):
                setattr(block, name, Depthwise(child))
    found = [
        (block, name, conv, norm)
        for block, (name, conv), (_, norm) in neighbours(module)
        if _is_widening(conv) and isinstance(norm, Norm)
    ]
    if found and _feed_alone(module, {conv: norm for _, _, conv, norm in found}, probe):
        for block, name, conv, norm in found:
            setattr(block, name, Widening(conv, norm))


def _is_plain_norm(layer: nn.Module) -> TypeGuard[nn.BatchNorm2d]:
    """torch's BatchNorm2d, or timm's with an activation, with weights and running statistics."""
    return (
        isinstance(layer, nn.BatchNorm2d)
        and (type(layer) is nn.BatchNorm2d or hasattr(layer, "act"))
        and isinstance(getattr(layer, "drop", None), nn.Identity | None)
        and layer.affine
        and layer.track_running_stats
        and layer.momentum is not None
    )


def _is_wide_depthwise(layer: nn.Module) -> TypeGuard[nn.Conv2d]:
    """A depthwise convolution of 5×5 or more, for whose gradient torch has no fast code."""
    return (
        isinstance(layer, nn.Conv2d)
        and type(layer) in (nn.Conv2d, Turned)
        and layer.groups == layer.in_channels == layer.out_channels
        and layer.kernel_size[0] == layer.kernel_size[1] >= 5
        and layer.stride[0] == layer.stride[1]
        and isinstance(layer.padding, tuple)
        and layer.padding[0] == layer.padding[1]
        and layer.dilation == (1, 1)
        and layer.padding_mode == "zeros"
        and layer.bias is None
    )


def _is_widening(layer: nn.Conv2d) -> bool:
    """A 1×1 convolution with at least twice as many channels in its output as in its input."""
    return (
        type(layer) is nn.Conv2d
        and layer.kernel_size == layer.stride == (1, 1)
        and layer.padding in ((0, 0), "valid")
        and layer.groups == 1
        and layer.bias is None
        and layer.out_channels >= 2 * layer.in_channels
    )


@torch.no_grad()
def _feed_alone(module: nn.Module, pairs: dict[nn.Conv2d, Norm], probe: Tensor) -> bool:
    """Whether the output of each convolution goes to its norm and nowhere else.

    Neighbours among a block's children need not be connected. So each convolution's output is
    replaced by NaNs, and only its norm is given the true output: if anything else reads the output
    of a convolution, the result is NaN.
    """
    module.eval()
    wanted = module(probe)
    hidden: dict[nn.Module, Tensor] = {}

    def hide(conv: nn.Module, _: object, output: Tensor) -> Tensor:
        hidden[conv] = output
        return torch.full_like(output, torch.nan)

    hooks = [conv.register_forward_hook(hide) for conv in pairs]
    hooks += [
        norm.register_forward_pre_hook(lambda _, __, conv=conv: (hidden[conv],))
        for conv, norm in pairs.items()
    ]
    try:
        return are_same(wanted, module(probe))
    # A norm that runs before its convolution.
    except KeyError:
        return False
    finally:
        for hook in hooks:
            hook.remove()
