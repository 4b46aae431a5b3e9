"""What a training step is fed: views, or the features of views where the trunk is frozen.

Features of a view depend on (weights, picture, seed, epoch) alone: they are computed once and
kept on disk for every run that needs them.
"""

import functools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ablation import config as schema
from ablation.config import DataConfig, ModelConfig
from ablation.pictures import views
from ablation.pictures.data import Pictures, Split
from ablation.training.batches import consecutive, indices_on

Indices = npt.NDArray[np.int64]

#: Pixels of the largest picture that is resampled on a device: a batch of them is there as float32.
RESIDENT_PIXELS = 2_000_000
#: Its longest side: each pixel along it has a weight for each of a view's.
RESIDENT_SIDE = 20_000
#: Pictures a forward pass of a frozen or validating network, by kind of device.
EVALUATION_BATCH = {"cpu": 32}


class Inputs(Protocol):
    """Batches for the trained part of a network, on its device."""

    def training(self, epoch: int, batches: Sequence[Indices]) -> Iterator[Tensor]:
        """One tensor a batch of training pictures, views drawn for this epoch."""

    def evaluation(self, name: str) -> Iterator[Tensor]:
        """Every picture of a split (val, test) in order, in batches of any size."""

    def sample(self, indices: Indices) -> Iterator[Tensor]:
        """Some training pictures, seen as validation pictures are, in batches of any size."""


@dataclass
class Views:
    """Views, made while the network is busy with the ones before where that is faster.

    On a GPU those of training are made there, from pictures that stay there.

    Attributes:
        are_resident: whether the training pictures live on the device; decided where it is None.
    """

    pictures: Pictures
    data: DataConfig
    model: ModelConfig
    seed: int
    device: torch.device
    are_resident: bool | None = None

    def __post_init__(self) -> None:
        if self.are_resident is None:
            self.are_resident = self.device.type == "cuda" and _fit_on_device(self.pictures.train)
        # Views of decoded pictures take 2 % of a CPU's training; a thread that made them beside it
        # would hold up its threads for longer.
        is_light = self.device.type == "cpu" and self.pictures.are_kept
        self._ahead = views.Ahead(0 if is_light else min(8, os.cpu_count() or 1))

    def training(self, epoch: int, batches: Sequence[Indices]) -> Iterator[Tensor]:
        train = self.pictures.train
        make = views.training_draws if self.are_resident else views.training_views
        tasks = [
            functools.partial(make, train, batch, self.seed, epoch, self.data) for batch in batches
        ]
        made: Iterator[Tensor] = map(self._moved, self._ahead(tasks))
        if self.are_resident:
            pictures = _resident(train, self.device)
            indices = indices_on(self.device, batches)
            size, mode = schema.chosen(self.data.size), schema.chosen(self.data.interpolation)
            made = (
                views.resampled(pictures[chosen], draws, size, mode)
                for chosen, draws in zip(indices, made, strict=True)
            )
        for batch in made:
            yield views.normalise(batch, self.model)

    def evaluation(self, name: str) -> Iterator[Tensor]:
        split = self._split(name)
        return self._evaluated(split, np.arange(len(split)))

    def sample(self, indices: Indices) -> Iterator[Tensor]:
        return self._evaluated(self.pictures.train, indices)

    def _evaluated(self, split: Split, indices: Indices) -> Iterator[Tensor]:
        tasks = [
            functools.partial(evaluation_views, split, tuple(batch), self.data, self.device)
            for batch in evaluation_batches(indices, self.device)
        ]
        for batch in self._ahead(tasks):
            yield views.normalise(batch, self.model)

    def _split(self, name: str) -> Split:
        split = getattr(self.pictures, name)
        assert isinstance(split, Split)
        return split

    def _moved(self, values: Tensor) -> Tensor:
        """On the device; the copy is not waited for."""
        if self.device.type == "cuda":
            values = values.pin_memory()
        return values.to(self.device, non_blocking=True)


def _fit_on_device(split: Split) -> bool:
    """Padded to one size, they must not take much more than they do in memory."""
    if not split.is_kept:
        return False
    sizes = np.array([split.pixels(index).shape[:2] for index in range(len(split))])
    pixels = int(sizes.max(0).prod())
    if pixels > RESIDENT_PIXELS or sizes.max() > RESIDENT_SIDE:
        return False
    return 3 * pixels * len(split) <= 2 * split.bytes + 1e8


#: Training pictures on a device, by their digests: the runs of a study share them.
_RESIDENT: dict[tuple[str, torch.device], Tensor] = {}


def _resident(split: Split, device: torch.device) -> Tensor:
    key = (split.digest, device)
    if key not in _RESIDENT:
        _RESIDENT.clear()
        _RESIDENT[key] = views.padded(split).to(device)
    return _RESIDENT[key]


def evaluation_batches(indices: Indices, device: torch.device) -> list[Indices]:
    return consecutive(indices, EVALUATION_BATCH.get(device.type, 128))


_KEPT_VIEWS: dict[tuple[object, ...], Tensor] = {}


def evaluation_views(
    split: Split, indices: tuple[int, ...], data: DataConfig, device: torch.device
) -> Tensor:
    """Validation views, the same in every epoch and run: kept on the device while they are few."""
    key = (split.digest, indices, data.size, data.val_crop, data.interpolation, device)
    if key not in _KEPT_VIEWS:
        batch = views.validation_views(split, indices, data).to(device)
        if sum(kept.nbytes for kept in _KEPT_VIEWS.values()) + batch.nbytes > 1e9:
            return batch
        _KEPT_VIEWS[key] = batch
    return _KEPT_VIEWS[key]
