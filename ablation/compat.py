"""Differences between builds of the libraries."""

import functools
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def import_torchvision() -> None:
    """Import torchvision, without its compiled operators where they don't fit this torch.

    A torchvision built for CUDA can't load its operators beside a torch built for the CPU. Its
    import then fails at `torchvision::nms`, whose schema its Python code expects nevertheless.
    Nothing here uses the operator, so its schema is declared and torchvision imported again.

    Raises:
        RuntimeError: torchvision can't be imported for another reason.
    """
    try:
        import torchvision
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        _declare_operators()
        import torchvision  # noqa: F401


# Kept for ever: torch forgets the schemas of a library that is garbage collected.
@functools.cache
def _declare_operators() -> "torch.library.Library":
    import torch

    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library
