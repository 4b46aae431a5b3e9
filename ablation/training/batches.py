"""An epoch's pictures in batches."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


def consecutive(indices: npt.NDArray[np.int64], batch_size: int) -> list[npt.NDArray[np.int64]]:
    """Consecutive batches; a last one of a single picture joins the one before it.

    BatchNorm has no statistics over one picture whose last map is a single pixel.
    """
    edges = list(range(batch_size, len(indices), batch_size))
    if edges and batch_size > 1 and len(indices) - edges[-1] == 1:
        edges.pop()
    return np.split(indices, edges)


def indices_on(
    device: torch.device, batches: Sequence[npt.NDArray[np.int64]]
) -> tuple[Tensor, ...]:
    """The batches on a device, in one copy: it would wait for the copy of each."""
    whole = torch.from_numpy(np.concatenate(batches)).to(device)
    return torch.split(whole, [len(batch) for batch in batches])
