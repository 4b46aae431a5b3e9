"""Features of a frozen trunk, computed once and kept on disk for every run that needs them."""

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict

import numpy as np
import torch
from torch import Tensor, nn

from ablation import targets
from ablation.config import Config, ModelConfig
from ablation.network.cpu.fold import fold
from ablation.network.device import Compute
from ablation.network.transfer import Parts
from ablation.parts import SHIPPED
from ablation.pictures.augment import Augmentation
from ablation.pictures.data import VIEW_SETTINGS
from ablation.targets import TARGET
from ablation.training.batches import Indices, indices_on
from ablation.training.inputs import Views, evaluation_batches
from ablation.training.stored import Store, Stored

#: The most features that are held in memory at once, as a share of `cache.memory_gb`.
AT_ONCE = 0.25


class Features:
    """Features of views: the outputs of the frozen part, computed once and stored.

    They depend on weights, picture, seed and epoch alone. Without a store they are computed batch
    by batch, as a plain training loop does. Of those that are too many to be held in memory, a
    batch is read when it is used.
    """

    def __init__(self, source: Views, parts: Parts, store: Store | None, compute: Compute) -> None:
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
        self._most_at_once = AT_ONCE * source.config.cache.memory_gb * 1e9
        self._identity = _identity(source, parts, compute)

    def training(self, epoch: int, batches: Sequence[Indices]) -> Iterator[Tensor]:
        config = self._source.config
        every = np.arange(len(self._source.pictures.train))
        parts = evaluation_batches(every, self._source.device)
        stored = self._stored(
            {"split": "train", "seed": config.seed, "epoch": epoch, **_augmented(config)},
            len(every),
            functools.partial(self._source.training, epoch, parts),
        )
        if stored is None:
            yield from self._outputs(self._source.training(epoch, batches))
        elif stored.n_bytes <= self._most_at_once:
            features = stored.all().to(self._source.device)
            for indices in indices_on(features.device, batches):
                yield features[indices]
        else:
            for batch in batches:
                yield stored.rows(batch).to(self._source.device)

    def evaluation(self, name: str) -> Iterator[Tensor]:
        make = functools.partial(self._source.evaluation, name)
        n = len(self._source.pictures.splits[name])
        yield from self._in_order({"split": name}, n, make)

    def sample(self, indices: Indices) -> Iterator[Tensor]:
        part = {"split": "train", "as": "val", "sample": indices.tolist()}
        make = functools.partial(self._source.sample, indices)
        yield from self._in_order(part, len(indices), make)

    def _in_order(
        self, part: dict[str, object], n: int, make: Callable[[], Iterator[Tensor]]
    ) -> Iterator[Tensor]:
        stored = self._stored(part, n, make)
        if stored is None:
            yield from self._outputs(make())
        elif stored.n_bytes <= self._most_at_once:
            yield stored.all().to(self._source.device)
        else:
            for batch in evaluation_batches(np.arange(n), self._source.device):
                yield stored.rows(batch).to(self._source.device)

    def _stored(
        self, part: dict[str, object], n: int, make: Callable[[], Iterator[Tensor]]
    ) -> Stored | None:
        """The features of n pictures, computed and stored where they were not; None where they
        can't be."""
        if self._store is None:
            return None
        key = self._store.key({**self._identity, **part})
        return self._store.read(key) or self._store.write(key, n, self._outputs(make()))

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
