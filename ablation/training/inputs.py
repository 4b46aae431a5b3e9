"""Views in batches, made while the network is busy with the batch before."""

import functools
import os
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from ablation.config import Config, chosen
from ablation.pictures import resampling, views
from ablation.pictures.augment import Augmentation
from ablation.pictures.data import Pictures
from ablation.pictures.prefetch import Prefetcher
from ablation.pictures.split import Split
from ablation.training.batches import Indices, consecutive, indices_on
from ablation.training.cache import Cache

#: Largest picture that is resampled on a GPU, in pixels: a batch of them is held there as float32.
RESIDENT_PIXELS = 2_000_000
#: Its longest side: resampling takes a weight for each pixel along it and each pixel of the view.
RESIDENT_SIDE = 20_000
#: Pictures in a batch of a frozen or validating network, by kind of device; 128 elsewhere.
EVALUATION_BATCH = {"cpu": 32}


class Inputs(Protocol):
    """Batches for the trained part of a network, on its device."""

    def training(self, epoch: int, batches: Sequence[Indices]) -> Iterator[Tensor]:
        """One tensor for each batch of training pictures.

        Args:
            epoch: from 1; each epoch has other views.
            batches: indices of the pictures.
        """

    def evaluation(self, name: str) -> Iterator[Tensor]:
        """Every picture of a split (val or test) in order, in batches of any size."""

    def sample(self, indices: Indices) -> Iterator[Tensor]:
        """Some training pictures, seen as validation pictures are, in batches of any size."""


class Views:
    """The pictures as the network sees them.

    On a GPU training views are made there, from pictures that stay there. On a CPU they are made
    from decoded pictures as they are asked for, and by threads ahead of the training where pictures
    must be decoded first.

    Attributes:
        pictures: of all splits.
        config: of the run, with nothing left open.
        device: where the views are wanted.
        are_resident: whether the training pictures stay on the device.
        augment: what training views are.
    """

    def __init__(
        self,
        pictures: Pictures,
        config: Config,
        device: torch.device,
        cache: Cache,
        are_resident: bool | None = None,
    ) -> None:
        """
        Args:
            pictures: of all splits.
            config: of the run, with nothing left open, see `preprocessing.filled`.
            device: where the views are wanted.
            cache: where views of validation pictures and resident pictures are shared.
            are_resident: None decides by the device and the sizes of the pictures.
        """
        self.pictures = pictures
        self.config = config
        self.device = device
        self._cache = cache
        self.augment = Augmentation(config.augment)
        if are_resident is None:
            is_possible = device.type == "cuda" and self.augment.is_usual
            are_resident = is_possible and _fit_on_device(pictures.train)
        self.are_resident = are_resident
        # Making views of decoded pictures takes 2 % of the training time on a CPU. A thread beside
        # the training would cost more, by holding up the threads that compute.
        self._is_light = device.type == "cpu" and pictures.are_kept
        self._decoded: set[str] = set()
        self._ahead = Prefetcher(0 if self._is_light else min(8, os.cpu_count() or 1))

    def training(self, epoch: int, batches: Sequence[Indices]) -> Iterator[Tensor]:
        train, seed = self.pictures.train, self.config.seed
        data = self.augment.data(self.config.data)
        make = views.training_crops if self.are_resident else self.augment.views
        tasks = [functools.partial(make, train, batch, seed, epoch, data) for batch in batches]
        ahead = self._ahead if self.augment.is_safe_in_threads else Prefetcher(0)
        self._decode(train)
        made: Iterator[Tensor] = map(self._moved, ahead(tasks))
        if self.are_resident:
            indices = indices_on(self.device, batches)
            made = self._resampled(zip(indices, made, strict=True))
        for batch in made:
            yield views.normalise(batch, self.config.model)

    def evaluation(self, name: str) -> Iterator[Tensor]:
        split = self.pictures.splits[name]
        return self._validation(split, np.arange(len(split)))

    def sample(self, indices: Indices) -> Iterator[Tensor]:
        return self._validation(self.pictures.train, indices)

    def _resampled(self, batches: "zip[tuple[Tensor, Tensor]]") -> Iterator[Tensor]:
        """Training views made on the device, from indices of pictures and the views' draws."""
        size, mode = chosen(self.config.data.size), chosen(self.config.data.interpolation)
        for indices, draws in batches:
            yield resampling.resize_crops(self._resident[indices], draws, size, mode)

    @functools.cached_property
    def _resident(self) -> Tensor:
        """The training pictures on the device.

        They are held here too, so that they are copied once even where the cache can't keep them.
        """
        train = self.pictures.train
        key = ("resident", train.digest, self.device)
        return self._cache.get(key, lambda: resampling.padded(train).to(self.device), _n_bytes)

    def _validation(self, split: Split, indices: Indices) -> Iterator[Tensor]:
        data = self.config.data
        # Of more views than half of the cache holds only the first are shared. If all went through
        # it, in every epoch each would be dropped before it is used again.
        n_shared = self._cache.limit_bytes / 2 // (3 * chosen(data.size) ** 2)
        tasks = []
        n_seen = 0
        for batch in evaluation_batches(indices, self.device):
            n_seen += len(batch)
            make = self._shared_views if n_seen <= n_shared else self._validation_views
            tasks.append(functools.partial(make, split, tuple(batch.tolist())))
        for views_of_batch in self._ahead(tasks):
            yield views.normalise(views_of_batch, self.config.model)

    def _shared_views(self, split: Split, indices: tuple[int, ...]) -> Tensor:
        """Views of validation, which are the same in every epoch and every run."""
        data = self.config.data
        settings = (data.size, data.val_crop, data.interpolation)
        key = ("validation", split.digest, indices, settings, self.device)
        make = functools.partial(self._validation_views, split, indices)
        return self._cache.get(key, make, _n_bytes)

    def _validation_views(self, split: Split, indices: tuple[int, ...]) -> Tensor:
        self._decode(split)
        return views.validation_views(split, indices, self.config.data).to(self.device)

    def _decode(self, split: Split) -> None:
        """Decode all pictures of a split at once, before the first is used, where all are kept."""
        if self._is_light and split.digest not in self._decoded:
            split.decode()
            self._decoded.add(split.digest)

    def _moved(self, values: Tensor) -> Tensor:
        """Values on the device. To a GPU they are copied in the background."""
        if self.device.type == "cuda":
            values = values.pin_memory()
        return values.to(self.device, non_blocking=True)


def evaluation_batches(indices: Indices, device: torch.device) -> list[Indices]:
    """Batches for a network that is not trained on them.

    Args:
        indices: of pictures, shape (n,).
        device: of the network.
    """
    return consecutive(indices, EVALUATION_BATCH.get(device.type, 128))


def _fit_on_device(split: Split) -> bool:
    """Whether the pictures, padded to one size, take little more than they take in memory."""
    if not split.is_kept:
        return False
    pixels = int(split.sizes.max(0).prod())
    if pixels > RESIDENT_PIXELS or split.sizes.max() > RESIDENT_SIDE:
        return False
    return 3 * pixels * len(split) <= 2 * split.bytes + 1e8


def _n_bytes(values: Tensor) -> int:
    return values.nbytes
