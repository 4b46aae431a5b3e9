"""What a network is trained, validated and tested on: its inputs and their labels."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ablation.config import Config
from ablation.network.device import Compute
from ablation.network.transfer import Parts
from ablation.pictures.data import Pictures
from ablation.training.cache import Cache
from ablation.training.features import Features
from ablation.training.inputs import Inputs, Views
from ablation.training.stored import Store


@dataclass(frozen=True)
class Examples:
    """Inputs of the trained part of a network, and their labels.

    Attributes:
        inputs: views, or features of views where the lower part of the network is frozen.
        shares: epoch → the shares of the classes in each view; None where a view has one class.
        train_labels, val_labels, test_labels: class indices on the network's device, int64, shape
            (n,); those of the test pictures are None without a test set.
    """

    inputs: Inputs
    train_labels: Tensor
    val_labels: Tensor
    test_labels: Tensor | None = None
    shares: Callable[[int], Tensor | None] = lambda epoch: None

    def targets(self, epoch: int) -> Tensor:
        """What the training pictures of an epoch are to be predicted as: their class indices, or
        where pictures are mixed the shares of the classes, shape (n, n_classes)."""
        shares = self.shares(epoch)
        return self.train_labels if shares is None else shares


def examples_of(
    parts: Parts, pictures: Pictures, config: Config, compute: Compute, cache: Cache
) -> Examples:
    """The examples that the part above is trained on.

    Args:
        parts: the network, cut where training starts, on its device.
        pictures: of all splits.
        config: with nothing left open, see `preprocessing.filled`.
        compute: the device and the arithmetic.
        cache: what the runs of this process share in memory.
    """
    views = Views(pictures, config, compute.device, cache)
    inputs: Inputs = views
    if len(parts.below):
        store = Store(config.cache) if config.cache.features else None
        inputs = Features(views, parts, store, compute)
    labels = {
        name: torch.from_numpy(split.labels).to(compute.device)
        for name, split in pictures.splits.items()
    }

    def shares(epoch: int) -> Tensor | None:
        n_classes = len(pictures.classes)
        found = views.augment.targets(pictures.train, n_classes, config.seed, epoch)
        return None if found is None else found.to(compute.device)

    return Examples(inputs, labels["train"], labels["val"], labels.get("test"), shares)
