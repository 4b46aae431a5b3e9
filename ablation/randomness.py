"""What a seed decides. Every random draw of a run is made by a generator from this module.

| draw | generator | follows from |
|---|---|---|
| order of the pictures in an epoch | `order` | seed, epoch |
| a training view: its crop, whether it is mirrored | `view_draws` | seed, epoch, picture |
| what else is done to a training view, and its partner | `augment_draws` | seed, epoch, picture |
| start of a trunk that is not pre-trained | `seeded(TRUNK, seed)` | seed |
| start of the head | `seeded(HEAD, seed)` | seed |
| draws inside the network while it trains, such as dropout | `seeded(TRAINING, seed)` | seed |

None of them depends on the cell, a worker or the batch, so runs of one seed can be compared in
pairs. How pictures are divided into splits is the study's, not the run's: `data.split_seed`.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import torch

#: Purposes of random numbers. Each gives a seed draws of its own.
ORDER, VIEW, TRUNK, HEAD, TRAINING, AUGMENT = range(6)


def order(n_pictures: int, seed: int, epoch: int) -> npt.NDArray[np.int64]:
    """The order in which an epoch goes through the pictures: a permutation of 0..n-1.

    Args:
        n_pictures: how many there are to train.
        seed: of the run.
        epoch: from 1.
    """
    return np.random.default_rng([ORDER, seed, epoch]).permutation(n_pictures)


def view_draws(seed: int, epoch: int, key: int) -> np.random.Generator:
    """The generator that one training view is drawn with.

    Args:
        seed: of the run.
        epoch: from 1.
        key: identifies the picture by its content, see `Split.keys`; not its place in the split.
    """
    return np.random.default_rng([VIEW, seed, epoch, key])


def augment_draws(seed: int, epoch: int, key: int) -> np.random.Generator:
    """The generator of what is done to a training view beyond its crop; see `view_draws`."""
    return np.random.default_rng([AUGMENT, seed, epoch, key])


@contextmanager
def seeded(purpose: int, seed: int) -> Iterator[None]:
    """Within the context, torch's random numbers on the CPU follow from purpose and seed.

    Afterwards torch's generator goes on as if nothing had been drawn.

    Args:
        purpose: TRUNK, HEAD or TRAINING.
        seed: of the run.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed * 16 + purpose)
        yield


def state() -> list[torch.Tensor]:
    """Where torch's generators are: that of the CPU, then those of the GPUs."""
    gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return [torch.get_rng_state(), *gpus]


def restore(states: list[torch.Tensor]) -> None:
    """Let torch's generators go on from where they were."""
    torch.set_rng_state(states[0])
    if len(states) > 1:
        torch.cuda.set_rng_state_all(states[1:])
