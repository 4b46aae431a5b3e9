"""Features of a frozen trunk, computed once and kept on disk for every run that needs them."""

import functools
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np
import torch
from torch import Tensor, nn

from ablation import targets
from ablation.config import CacheConfig, Config, ModelConfig, cache_folder
from ablation.network.cpu.fold import fold
from ablation.network.device import Compute
from ablation.network.transfer import Parts
from ablation.parts import SHIPPED
from ablation.pictures.augment import Augmentation
from ablation.pictures.data import VIEW_SETTINGS
from ablation.targets import TARGET
from ablation.training.batches import Indices, indices_on
from ablation.training.inputs import Views, evaluation_batches


class Features:
    """Features of views: the outputs of the frozen part, computed once and stored.

    They depend on weights, picture, seed and epoch alone. Without a store they are computed batch
    by batch, as a plain training loop does.
    """

    def __init__(
        self, source: Views, parts: Parts, store: "Store | None", compute: Compute
    ) -> None:
        """
        Args:
            source: the views.
            parts: the network, whose part below computes the features.
            store: where features are kept; None computes them whenever they are asked for.
            compute: the device and the arithmetic.
        """
        self._source = source
        self._below = parts.below
        self._for_inference: nn.Module | None = None
        self._compute = compute
        self._store = store
        self._identity = _identity(source, parts, compute)

    def training(self, epoch: int, batches: Sequence[Indices]) -> Iterator[Tensor]:
        if self._store is None:
            yield from self._outputs(self._source.training(epoch, batches))
            return
        config = self._source.config
        every = np.arange(len(self._source.pictures.train))
        parts = evaluation_batches(every, self._source.device)
        features = self._features(
            {"split": "train", "seed": config.seed, "epoch": epoch, **_augmented(config)},
            functools.partial(self._source.training, epoch, parts),
        )
        for indices in indices_on(features.device, batches):
            yield features[indices]

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
        """The features of a part of the pictures, from the store or computed and stored."""
        assert self._store is not None
        key = self._store.key({**self._identity, **part})
        features = self._store.read(key)
        if features is None:
            features = torch.cat([output.cpu() for output in self._outputs(batches())])
            self._store.write(key, features)
        return features.to(self._source.device)

    def _outputs(self, batches: Iterator[Tensor]) -> Iterator[Tensor]:
        for batch in batches:
            # Folded only when features are computed: most runs of a study only read them.
            if self._for_inference is None:
                is_folded = self._compute.cpu_kernels
                self._for_inference = fold(self._below, batch[:2]) if is_folded else self._below
            # Not around the yield: what runs between two batches needs gradients.
            with torch.no_grad(), self._compute.autocast():
                features = self._for_inference(batch).float()
            yield features


def _augmented(config: Config) -> dict[str, object]:
    """What tells the training views of a level of `augment` from those of others."""
    part = config.augment
    if Augmentation(part).is_usual and part.get("flip", True):
        return {}  # As before there were levels of it.
    target = part[TARGET]
    source = targets.source_digest(target) if target and target not in SHIPPED else ""
    return {"augment": {**part, "source": source}}


def _identity(source: Views, parts: Parts, compute: Compute) -> dict[str, object]:
    """Everything that the features follow from, less the pictures and the draws of a part.

    It decides the names of the files: a change here makes all stored features useless.
    """
    config = source.config
    data = asdict(config.data)
    identity: dict[str, object] = {
        "below": parts.start_digest,
        "network": _network(config.model),
        "pictures": source.pictures.digest,
        "views": {key: data[key] for key in VIEW_SETTINGS},
        "pixels": [config.model.mean, config.model.std],
        "arithmetic": [str(compute.precision), source.device.type, torch.__version__],
        "resampled": bool(source.are_resident),
    }
    # A folded network gives the same features within rounding, not to the last digit.
    if not compute.cpu_kernels:
        identity["folded"] = False
    return identity


def _network(model: ModelConfig) -> str:
    """What tells a network from others with the same weights: its name, or a person's own code."""
    if not model.own:
        return repr(model.name)
    return repr({**model.own, "source": targets.source_digest(model.own[TARGET])})


class Store:
    """Tensors on disk, each named by the digest of what it is made from.

    Processes may write at the same time: a file appears complete, by a rename, and two writers of
    one key write the same. When the limit is passed, the least recently used files are deleted.
    """

    def __init__(self, cache: CacheConfig) -> None:
        self.folder = cache_folder(cache) / "features"
        self._limit = cache.features_gb * 1e9

    @staticmethod
    def key(identity: dict[str, object]) -> str:
        """The key of a tensor: 32 hexadecimal digits.

        Args:
            identity: what the tensor is made from, as values that JSON can hold.
        """
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:32]

    def read(self, key: str) -> Tensor | None:
        """The tensor of a key; None where it is not stored or its file is damaged."""
        from safetensors.torch import load_file

        path = self._path(key)
        try:
            features = load_file(path)["features"]
            os.utime(path)
        except FileNotFoundError:
            return None
        # A damaged file is deleted; what it held is computed again.
        except Exception:
            path.unlink(missing_ok=True)
            return None
        return features

    def write(self, key: str, features: Tensor) -> None:
        """Store a tensor. On a full or read-only disk nothing is stored, and the run goes on."""
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
