"""What differing builds of the libraries need."""

import sys
from typing import Any

import torch


def import_torchvision() -> None:
    """Import torchvision; where its compiled operators don't fit this torch, without them.

    A torchvision built for CUDA beside a torch built for the CPU stops at `torchvision::nms`,
    which its Python part describes whether or not it was loaded. Nothing here uses that operator,
    so its schema is enough.
    """
    try:
        import torchvision
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "DEF")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _KEPT.append(library)
        import torchvision  # noqa: F401


#: torch forgets the schemas of a library that is collected.
_KEPT: list[Any] = []
