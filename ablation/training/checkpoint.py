"""A training that is cut off goes on where it was: its state, written after an epoch.

What is written is everything that the epochs to come depend on, so that a training that went on is
equal to one that was never cut off: weights, optimizer, moving average, random numbers, the best
epoch so far and the history. It is written only where it saves more time than it takes.
"""

import contextlib
import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

import torch

from ablation.config import CacheConfig, cache_folder
from ablation.network.device import Compute
from ablation.tracking import origin
from ablation.tracking.store import Identity

#: Changes when an older state can no longer be read.
VERSION = 1


class Checkpoint:
    """The file of a training's state."""

    def __init__(self, path: Path, seconds: float) -> None:
        """
        Args:
            path: of the file, which need not exist.
            seconds: between two writes, at least.
        """
        self.path = path
        self._seconds = seconds
        self._last = time.monotonic()

    @classmethod
    def of(cls, identity: Identity, config: CacheConfig, compute: Compute) -> "Checkpoint":
        """That of a run.

        It is named after all that a result follows from: another device, number of threads or
        version of a library would go on with other rounding.
        """
        settings = [VERSION, identity.tags(), origin.versions(), origin.code_version()]
        settings += [str(compute), torch.get_num_threads()]
        name = hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:32]
        folder = cache_folder(config) / "checkpoints"
        return cls(folder / f"{name}.pt", config.checkpoint_seconds)

    @property
    def is_due(self) -> bool:
        """Whether it is long enough since the training began or the last state was written."""
        return time.monotonic() - self._last >= self._seconds

    def read(self) -> dict[str, Any] | None:
        """The state that was written last; None where there is none that can be read."""
        if not self.path.is_file():
            return None
        # A file that is damaged costs only what it would have saved.
        with contextlib.suppress(Exception):
            state: dict[str, Any] = torch.load(self.path, map_location="cpu", weights_only=True)
            return state
        return None

    def write(self, state: dict[str, Any]) -> None:
        """Write a state; the earlier one is there until the new one is whole."""
        # A full disk, of which torch makes an error of its own kind: the training goes on without.
        with contextlib.suppress(OSError, RuntimeError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            fresh = self.path.with_suffix(f".{os.getpid()}")
            try:
                torch.save(state, fresh)
                fresh.replace(self.path)
            finally:
                fresh.unlink(missing_ok=True)
        self._last = time.monotonic()

    def remove(self) -> None:
        """Remove the file: the run has finished."""
        self.path.unlink(missing_ok=True)
