"""Whether a network's layers are replaced by the faster ones of this package."""

import torch
from torch import nn


def install(above: nn.Sequential, below: nn.Module, size: int) -> bool:
    """Replace layers of the trained part of a network, in place, where that makes training faster.

    Weights and buffers stay the same objects under the same names. A part without convolutions,
    such as a head alone, is left as it is.

    Args:
        above: the trained part, float32 on the CPU; in evaluation mode afterwards.
        below: the frozen part, whose outputs `above` is given; in evaluation mode afterwards.
        size: of a view, pixels a side.

    Returns:
        Whether layers could be replaced. They can't without numba, which exists for fewer versions
        of Python and NumPy than torch, or without a folder for the code that numba compiles.
    """
    if not any(isinstance(module, nn.Conv2d) for module in above.modules()):
        return False
    try:
        from ablation.network.cpu.replace import replace_layers
    except (ImportError, RuntimeError):
        return False
    view = torch.linspace(-2, 2, 3 * size * size).view(1, 3, size, size)
    with torch.no_grad():
        probe = below.eval()(view)
    replace_layers(above, probe)
    return True
