"""What a seed decides: the order of pictures, every view, the head's start, dropout."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import torch

#: Tells the draws of one seed apart: the order of pictures from their views.
ORDER, VIEW = 0, 1


def order(n_pictures: int, seed: int, epoch: int) -> npt.NDArray[np.int64]:
    """The order in which an epoch goes through the pictures: a permutation of 0..n-1."""
    return np.random.default_rng([ORDER, seed, epoch]).permutation(n_pictures)


#: Tell the draws of one seed apart: a scratch trunk's start, the head's, and dropout's.
TRUNK, HEAD, TRAINING = 2, 3, 4


@contextmanager
def seeded(purpose: int, seed: int) -> Iterator[None]:
    """Let torch's random numbers follow from (purpose, seed) inside, and go on as before after."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed * 16 + purpose)
        yield
