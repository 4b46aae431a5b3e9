"""How far a picture lies from those that a network was trained on, as the network's head sees it.

The measure is the distance to the nearest training picture between normalised features, those
that the head is given (Sun et al. 2022, "Out-of-Distribution Detection with Deep Nearest
Neighbors", arXiv:2204.06507). It is told as the share of the run's validation pictures that lie
nearer, so that it needs no scale: of pictures like these, one in a hundred lies farther than 99 %.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]

#: The neighbour whose distance counts. Sun et al. take one farther off among more pictures.
NEAREST = 1
#: Most pictures that a run keeps: features of training ones, distances of validation ones.
MOST_TRAINING, MOST_VALIDATION = 128, 1_000
#: A picture is far, or rather far, where at least this share of the validation pictures is nearer.
FAR, RATHER_FAR = 0.99, 0.95
#: The same picture's distance may differ by this much between two ways to compute it.
ROUNDING = 1e-4

#: The artifact of a run.
FILE = "features.safetensors"


@dataclass(frozen=True)
class Known:
    """What a run keeps of the pictures that it knows.

    Attributes:
        training: normalised features of training pictures, float16, shape (n, n_features).
        validation: distances of validation pictures, increasing, shape (n_validation,).
    """

    training: npt.NDArray[np.float16]
    validation: npt.NDArray[np.float32]

    @property
    def is_of_use(self) -> bool:
        """False for a network that sees all pictures alike: it can't tell a stranger."""
        return bool(self.validation[-1] > ROUNDING)

    def share_nearer(self, features: Floats) -> npt.NDArray[np.float64]:
        """The share of the validation pictures that lie nearer: shape (n,), 0..1."""
        found = distances(features, self.training)
        return np.searchsorted(self.validation, found - ROUNDING) / len(self.validation)

    def save(self, path: Path) -> None:
        from safetensors.numpy import save_file

        save_file({"training": self.training, "validation": self.validation}, path)

    @classmethod
    def read(cls, path: Path) -> "Known":
        from safetensors.numpy import load_file

        return cls(**load_file(path))


def known(training: Floats, validation: Floats) -> Known:
    """What to keep, from the features of training and of validation pictures, (n, n_features)."""
    kept = _normalised(training).astype(np.float16)
    found = np.sort(distances(validation, kept)).astype(np.float32)
    return Known(kept, found)


def distances(features: Floats, training: Floats) -> npt.NDArray[np.float64]:
    """Of each picture to its nearest training picture: shape (n,), 0..2.

    Args:
        features: shape (n, n_features), as the head is given them.
        training: shape (n_training, n_features), normalised.
    """
    ours, theirs = _normalised(features), training.astype(np.float64)
    squares = (ours**2).sum(1)[:, None] + (theirs**2).sum(1) - 2 * ours @ theirs.T
    nearest = np.partition(squares, NEAREST - 1, axis=1)[:, NEAREST - 1]
    found: npt.NDArray[np.float64] = np.sqrt(np.maximum(nearest, 0))
    return found


def sample(labels: npt.NDArray[np.int64], most: int = MOST_TRAINING) -> npt.NDArray[np.int64]:
    """Indices of at most so many pictures, increasing, each class by its share.

    The same for every run of a study: what is computed from them can be shared.
    """
    order = np.random.default_rng(0).permutation(len(labels))
    shuffled = labels[order]
    counts = np.bincount(shuffled)
    by_class = np.argsort(shuffled, kind="stable")
    place = np.empty(len(labels))
    place[by_class] = np.concatenate([np.arange(n) / n for n in counts if n])
    return np.sort(order[np.argsort(place, kind="stable")[:most]])


def _normalised(features: Floats) -> npt.NDArray[np.float64]:
    wide = features.astype(np.float64)
    # A network may give nothing but zeros.
    found: npt.NDArray[np.float64] = wide / np.maximum(
        np.linalg.norm(wide, axis=1, keepdims=True), 1e-12
    )
    return found
