"""What a training step is fed: views, or the features of views where the trunk is frozen.

Features of a view depend on (weights, picture, seed, epoch) alone: they are computed once and
kept on disk for every run that needs them.
"""

import functools
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ablation import config as schema
from ablation import views
from ablation.config import CacheConfig, DataConfig, ModelConfig
from ablation.data import VIEWS, Pictures, Split
from ablation.fold import fold
from ablation.model import digest

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
            indices = views.indices_on(self.device, batches)
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
    return views.batches(indices, EVALUATION_BATCH.get(device.type, 128))


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


class Features:
    """Features of views: what the frozen part makes of them, computed once and kept.

    Without a store they are computed batch by batch, as a plain loop does.
    """

    def __init__(
        self, source: Views, below: nn.Module, store: "Store | None", precision: torch.dtype
    ) -> None:
        self._source = source
        self._below = below
        self._folded: nn.Module | None = None
        self._precision = precision
        self._store = store
        data = asdict(source.data)
        self._identity = {
            "below": digest(below.state_dict()),
            "network": repr(source.model.name),
            "pictures": source.pictures.digest,
            "views": {key: data[key] for key in VIEWS},
            "pixels": [source.model.mean, source.model.std],
            "arithmetic": [str(precision), source.device.type, torch.__version__],
            "resampled": bool(source.are_resident),
        }

    def training(self, epoch: int, batches: Sequence[Indices]) -> Iterator[Tensor]:
        if self._store is None:
            yield from self._outputs(self._source.training(epoch, batches))
            return
        every = np.arange(len(self._source.pictures.train))
        parts = evaluation_batches(every, self._source.device)
        features = self._features(
            {"split": "train", "seed": self._source.seed, "epoch": epoch},
            lambda: self._source.training(epoch, parts),
        )
        for chosen in views.indices_on(features.device, batches):
            yield features[chosen]

    def evaluation(self, name: str) -> Iterator[Tensor]:
        if self._store is None:
            yield from self._outputs(self._source.evaluation(name))
            return
        yield self._features({"split": name}, lambda: self._source.evaluation(name))

    def sample(self, indices: Indices) -> Iterator[Tensor]:
        if self._store is None:
            yield from self._outputs(self._source.sample(indices))
            return
        part = {"split": "train", "as": "val", "sample": indices.tolist()}
        yield self._features(part, lambda: self._source.sample(indices))

    def _features(self, part: dict[str, object], batches: Callable[[], Iterator[Tensor]]) -> Tensor:
        assert self._store is not None
        key = self._store.key({**self._identity, **part})
        kept = self._store.read(key)
        if kept is None:
            kept = torch.cat([output.cpu() for output in self._outputs(batches())])
            self._store.write(key, kept)
        return kept.to(self._source.device)

    def _outputs(self, batches: Iterator[Tensor]) -> Iterator[Tensor]:
        for batch in batches:
            # Only where features are computed: most runs of a study read them.
            if self._folded is None:
                self._folded = fold(self._below, batch[:2])
            # Not around the yield: what runs between two batches has gradients.
            with torch.no_grad(), autocast(self._source.device, self._precision):
                features = self._folded(batch).float()
            yield features


def autocast(device: torch.device, precision: torch.dtype) -> torch.autocast:
    return torch.autocast(device.type, precision, enabled=precision != torch.float32)


class Store:
    """Tensors on disk by the digest of what they are made from.

    Safe with parallel writers: a file appears whole, by a rename, and two writers of one key
    write the same. The least recently used files go when the limit is passed.
    """

    def __init__(self, cache: CacheConfig) -> None:
        folder = cache.folder or os.environ.get("ABLATION_CACHE") or "~/.cache/ablation"
        self.folder = Path(folder).expanduser() / "features"
        self._limit = cache.features_gb * 1e9

    @staticmethod
    def key(identity: dict[str, object]) -> str:
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:32]

    def read(self, key: str) -> Tensor | None:
        from safetensors.torch import load_file

        path = self._path(key)
        try:
            features = load_file(path)["features"]
            os.utime(path)
        except FileNotFoundError:
            return None
        # A file that was damaged is made again.
        except Exception:
            path.unlink(missing_ok=True)
            return None
        return features

    def write(self, key: str, features: Tensor) -> None:
        """Keep the features; a full or read-only disk costs the sharing, not the run."""
        from safetensors.torch import save

        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with NamedTemporaryFile(dir=self.folder, suffix=".part", delete=False) as part:
                part.write(save({"features": features.contiguous()}))
            os.replace(part.name, self._path(key))
            self._prune()
        except OSError:
            return

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.safetensors"

    def _prune(self) -> None:
        files = [(path, path.stat()) for path in self.folder.glob("*.safetensors")]
        total = sum(stat.st_size for _, stat in files)
        for path, stat in sorted(files, key=lambda item: item[1].st_mtime):
            if total <= self._limit:
                return
            path.unlink(missing_ok=True)
            total -= stat.st_size
