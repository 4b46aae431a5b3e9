"""Features of a frozen trunk, computed once and kept on disk."""

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

from ablation.config import CacheConfig
from ablation.network.cpu.fold import fold
from ablation.network.device import autocast
from ablation.network.model import digest
from ablation.pictures.data import VIEWS
from ablation.training.batches import indices_on
from ablation.training.inputs import Indices, Views, evaluation_batches


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
        for chosen in indices_on(features.device, batches):
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
