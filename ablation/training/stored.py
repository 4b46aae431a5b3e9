"""Features on disk, each file named by the digest of what it is made from."""

import contextlib
import hashlib
import itertools
import json
import math
import os
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, BinaryIO

import numpy as np
import torch
from torch import Tensor

from ablation.config import CacheConfig, cache_folder
from ablation.training.batches import Indices

#: The name of the tensor in a file.
NAME = "features"


class Stored:
    """Features in a file, float32, of which any part may be read.

    The file stays open, so that it can be read to the end even where it is deleted meanwhile.

    Attributes:
        shape: of all features, (n, ...).
    """

    def __init__(self, file: BinaryIO, shape: Sequence[int]) -> None:
        """
        Args:
            file: in the format of safetensors, with one tensor, which such a file ends with.
            shape: of the tensor.
        """
        self.shape = tuple(shape)
        self._file = file
        weakref.finalize(self, file.close)
        self._start = os.fstat(file.fileno()).st_size - self.n_bytes

    @property
    def n_bytes(self) -> int:
        """The size of all features."""
        return 4 * math.prod(self.shape)

    def all(self) -> Tensor:
        """All features."""
        found = torch.empty(self.shape)
        self._read(0, found)
        return found

    def rows(self, indices: Indices) -> Tensor:
        """The features of some pictures, in this order: shape (n, ...).

        Args:
            indices: shape (n,).
        """
        found = torch.empty((len(indices), *self.shape[1:]))
        n_row = 4 * math.prod(self.shape[1:])
        for row, index in zip(found, indices.tolist(), strict=True):
            self._read(index * n_row, row)
        return found

    def _read(self, offset: int, into: Tensor) -> None:
        self._file.seek(self._start + offset)
        wanted = into.numpy().reshape(-1).view(np.uint8)
        if self._file.readinto(wanted.data) != len(wanted):  # type: ignore[attr-defined]
            raise OSError(f"{self._file.name}: ends too early")


class Store:
    """Tensors on disk.

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

    def read(self, key: str) -> Stored | None:
        """The tensor of a key; None where it is not stored or its file is damaged."""
        from safetensors import safe_open

        path = self._path(key)
        try:
            file = path.open("rb")
            with safe_open(path, "pt") as opened:
                shape = opened.get_slice(NAME).get_shape()
            os.utime(path)
        except FileNotFoundError:
            return None
        # A damaged file is deleted; what it held is computed again.
        except Exception:
            path.unlink(missing_ok=True)
            return None
        return Stored(file, shape)

    def write(self, key: str, n: int, batches: Iterator[Tensor]) -> Stored | None:
        """Store a tensor, batch by batch, so that it is never in memory as a whole.

        Args:
            key: see `key`.
            n: its length.
            batches: its parts in order, float32.

        Returns:
            What was stored; None where it is larger than the limit, or on a full or read-only disk.
        """
        first = next(batches)
        shape = n, *first.shape[1:]
        if 4 * math.prod(shape) > self._limit:
            return None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with _complete(self._path(key)) as file:
                file.write(_header(shape))
                for batch in itertools.chain([first], batches):
                    file.write(batch.cpu().contiguous().numpy().data)
            self._prune()
        except OSError:
            return None
        return self.read(key)

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


@contextlib.contextmanager
def _complete(path: Path) -> Iterator[IO[bytes]]:
    """A file that appears under its name when all is written; nothing is left of a part."""
    with NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as part:
        try:
            yield part
        except BaseException:
            os.unlink(part.name)
            raise
    os.replace(part.name, path)


def _header(shape: tuple[int, ...]) -> bytes:
    """What a file of one float32 tensor begins with, in the format of safetensors."""
    about = {"dtype": "F32", "shape": shape, "data_offsets": [0, 4 * math.prod(shape)]}
    text = json.dumps({NAME: about}).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text
