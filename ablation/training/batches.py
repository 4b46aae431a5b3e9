"""An epoch's pictures in batches."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Indices = npt.NDArray[np.int64]


def consecutive(indices: Indices, batch_size: int) -> list[Indices]:
    """Cut indices into consecutive batches.

    A last batch of a single picture is added to the one before it: BatchNorm can't be trained on
    one picture whose last feature maps are one pixel each.

    Args:
        indices: shape (n,).
        batch_size: pictures in a batch.
    """
    edges = list(range(batch_size, len(indices), batch_size))
    if edges and batch_size > 1 and len(indices) - edges[-1] == 1:
        edges.pop()
    return np.split(indices, edges)


def indices_on(device: torch.device, batches: Sequence[Indices]) -> tuple[Tensor, ...]:
    """The batches as tensors on a device.

    All are copied at once: a copy to a GPU waits until the GPU has finished what it is doing.
    """
    whole = torch.from_numpy(np.concatenate(batches)).to(device)
    return torch.split(whole, [len(batch) for batch in batches])
