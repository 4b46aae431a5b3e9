"""How far a picture is from those that a network was trained on, in the features of its head.

The measure is the distance between the normalised features that the head is given, to the nearest
training picture (Sun et al. 2022, "Out-of-Distribution Detection with Deep Nearest Neighbors",
arXiv:2204.06507). It is reported as the share of the run's validation pictures that are nearer. So
it needs no unit: of new pictures of the same kind, one in a hundred is farther than 99 % of them.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]

#: k of the k-th nearest neighbour, whose distance counts. Sun et al. use a larger k, with more
#: training pictures.
NEAREST = 1
#: Most pictures that a run keeps: features of training pictures, distances of validation pictures.
MOST_TRAINING, MOST_VALIDATION = 128, 1_000
#: A picture is far, or rather far, if at least this share of the validation pictures is nearer.
FAR, RATHER_FAR = 0.99, 0.95
#: Rounding may change the distance of the same picture by this much.
ROUNDING = 1e-4

#: The artifact of a run.
FILE = "features.safetensors"


@dataclass(frozen=True)
class Known:
    """What a run keeps to measure how far a picture is.

    Attributes:
        training: normalised features of training pictures, shape (n_training, n_features).
        validation: distances of validation pictures in ascending order, shape (n_validation,).
    """

    training: npt.NDArray[np.float16]
    validation: npt.NDArray[np.float32]

    @property
    def is_of_use(self) -> bool:
        """False if the network has the same features for all pictures, and so can't tell."""
        return bool(self.validation[-1] > ROUNDING)

    def share_nearer(self, features: Floats) -> npt.NDArray[np.float64]:
        """The share of the validation pictures that are nearer: shape (n,), 0..1.

        Args:
            features: of n pictures, as the head is given them, shape (n, n_features).
        """
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
    """What a run keeps.

    Args:
        training: features of training pictures, seen as validation pictures are, shape
            (n_training, n_features).
        validation: features of validation pictures, shape (n_validation, n_features).
    """
    kept = _normalised(training).astype(np.float16)
    found = np.sort(distances(validation, kept)).astype(np.float32)
    return Known(kept, found)


def distances(features: Floats, training: Floats) -> npt.NDArray[np.float64]:
    """The distance of each picture to its nearest training picture: shape (n,), 0..2.

    Args:
        features: shape (n, n_features), as the head is given them.
        training: normalised features of training pictures, shape (n_training, n_features).
    """
    ours, theirs = _normalised(features), training.astype(np.float64)
    squares = (ours**2).sum(1)[:, None] + (theirs**2).sum(1) - 2 * ours @ theirs.T
    nearest = np.partition(squares, NEAREST - 1, axis=1)[:, NEAREST - 1]
    found: npt.NDArray[np.float64] = np.sqrt(np.maximum(nearest, 0))
    return found


def sample(labels: npt.NDArray[np.int64], most: int = MOST_TRAINING) -> npt.NDArray[np.int64]:
    """Choose pictures, each class by its share.

    The choice does not depend on the seed, so that what is computed from it can be shared by all
    runs of a study.

    Args:
        labels: class indices of the training pictures, shape (n,).
        most: how many are chosen at most.

    Returns:
        Indices in ascending order.
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
    # The features of a network may all be zero.
    found: npt.NDArray[np.float64] = wide / np.maximum(
        np.linalg.norm(wide, axis=1, keepdims=True), 1e-12
    )
    return found
