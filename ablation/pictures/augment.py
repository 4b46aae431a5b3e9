"""What a training view is, by the level of `augment`: the crop, and what is done to it.

Whatever is random follows from the seed, the epoch and the picture, so that runs of one seed see
the same views in every cell.

An augmentation of one's own is a class whose objects, or a function which, is called with a view, a
uint8 tensor of shape (3, size, size), and returns another of the same kind. So are those of
torchvision.transforms.v2. Python's, NumPy's and torch's random numbers are seeded before each call.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ablation import targets
from ablation.config import DataConfig
from ablation.errors import ConfigError
from ablation.parts import COMMON, Part
from ablation.pictures import views
from ablation.pictures.split import Split
from ablation.randomness import augment_draws
from ablation.targets import TARGET


@dataclass(frozen=True)
class Mix:
    """How each of some pictures is mixed with another one.

    Attributes:
        partner: the other picture's place in the split, shape (n,).
        share: of the picture itself in the mixture, 0..1, shape (n,).
        box: top, left, bottom and right of what is taken from the partner, as shares of the side,
            shape (n, 4); None where the two are added.
    """

    partner: NDArray[np.int64]
    share: NDArray[np.float64]
    box: NDArray[np.float64] | None


class Augmentation:
    """Makes training views as a level of `augment` says.

    Attributes:
        is_usual: whether views are crops, perhaps mirrored, and nothing else.
        is_safe_in_threads: whether views may be made beside the training: not where what is called
            draws from generators that the training draws from.
    """

    def __init__(self, part: Part) -> None:
        """
        Args:
            part: the target and its arguments, and the keys that every level has.

        Raises:
            ConfigError: the target can't be made.
        """
        self._part = part
        self._transform = targets.made("augment", part_of(part)) if part.get(TARGET) else None
        self._crop, self._flip = part.get("crop", True), part.get("flip", True)
        self._mixup, self._cutmix = part.get("mixup"), part.get("cutmix")
        self.is_usual = self._transform is None and self._crop and not self.is_mixing
        self.is_safe_in_threads = self._transform is None

    @property
    def is_mixing(self) -> bool:
        """Whether a view shows two pictures, and its target both their classes."""
        return bool(self._mixup or self._cutmix)

    def data(self, data: DataConfig) -> DataConfig:
        """The settings of views, mirrored only where both they and the level say so."""
        return replace(data, flip=data.flip and self._flip)

    def views(
        self, split: Split, indices: Iterable[int], seed: int, epoch: int, data: DataConfig
    ) -> Tensor:
        """The training views of some pictures.

        Args:
            split: has the pictures.
            indices: their places in the split.
            seed: of the run.
            epoch: from 1.
            data: says how views are cut.

        Returns:
            uint8, or where pictures are mixed float32 in 0..255; shape (n, 3, size, size).

        Raises:
            ConfigError: the augmentation failed, or returned something else.
        """
        indices = [int(index) for index in indices]
        own = self._unmixed(split, indices, seed, epoch, data)
        if not self.is_mixing:
            return own
        mix = self.mix(split, indices, seed, epoch)
        other = self._unmixed(split, mix.partner.tolist(), seed, epoch, data).float()
        if mix.box is None:
            share = torch.from_numpy(mix.share).float().view(-1, 1, 1, 1)
            return own * share + other * (1 - share)
        mixed = own.float()
        sides = np.round(mix.box * own.shape[-1]).astype(int)
        for at, (top, left, bottom, right) in enumerate(sides):
            mixed[at, :, top:bottom, left:right] = other[at, :, top:bottom, left:right]
        return mixed

    def refuse_unusable(self, size: int) -> None:
        """Call the augmentation on a made-up view.

        Args:
            size: of the view, pixels a side.

        Raises:
            ConfigError: it failed, or returned something else.
        """
        if self._transform is not None:
            view = (torch.arange(3 * size * size) % 256).byte().view(3, size, size)
            self._transformed(view, 0, 1, 0)

    def mix(self, split: Split, indices: Sequence[int], seed: int, epoch: int) -> Mix:
        """Draw partners, by mixup (Zhang et al. 2018) or CutMix (Yun et al. 2019).

        Args:
            split: has the pictures.
            indices: of those that are mixed.
            seed: of the run.
            epoch: from 1.
        """
        alpha = self._mixup or self._cutmix
        assert alpha
        partners, shares, boxes = [], [], []
        for index in indices:
            draws = augment_draws(seed, epoch, int(split.keys[index]))
            partners.append(int(draws.integers(len(split))))
            share = float(draws.beta(alpha, alpha))
            y, x = draws.random(2)
            half = np.sqrt(1 - share) / 2
            box = np.clip([y - half, x - half, y + half, x + half], 0, 1)
            boxes.append(box)
            shares.append(share if self._mixup else 1 - (box[2] - box[0]) * (box[3] - box[1]))
        return Mix(np.array(partners), np.array(shares), None if self._mixup else np.array(boxes))

    def targets(self, split: Split, n_classes: int, seed: int, epoch: int) -> Tensor | None:
        """The shares of the classes in each training view of an epoch.

        Returns:
            float32, shape (n_pictures, n_classes); None where each shows one picture.
        """
        if not self.is_mixing:
            return None
        mix = self.mix(split, range(len(split)), seed, epoch)
        found = np.zeros((len(split), n_classes), dtype=np.float32)
        np.add.at(found, (np.arange(len(split)), split.labels), mix.share)
        np.add.at(found, (np.arange(len(split)), split.labels[mix.partner]), 1 - mix.share)
        return torch.from_numpy(found)

    def _unmixed(
        self, split: Split, indices: Sequence[int], seed: int, epoch: int, data: DataConfig
    ) -> Tensor:
        make = views.training_views if self._crop else views.whole_views
        made = make(split, indices, seed, epoch, self.data(data))
        if self._transform is None:
            return made
        for at, index in enumerate(indices):
            made[at] = self._transformed(made[at], seed, epoch, int(split.keys[index]))
        return made

    def _transformed(self, view: Tensor, seed: int, epoch: int, key: int) -> Tensor:
        number = int(augment_draws(seed, epoch, key).integers(2**32))
        pythons, numpys = random.getstate(), np.random.get_state()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(number)
            random.seed(number)
            np.random.seed(number)
            try:
                return _checked(self._transform, view, str(self._part[TARGET]))
            finally:
                random.setstate(pythons)
                np.random.set_state(numpys)


def _checked(transform: Callable[[Tensor], Tensor] | None, view: Tensor, name: str) -> Tensor:
    assert transform is not None
    where = f"augment.{TARGET}: {name}"
    try:
        found = transform(view.contiguous())
    # Whatever a person's own code raises.
    except Exception as error:
        raise ConfigError(f"{where}: {type(error).__name__}: {error}") from error
    if not isinstance(found, Tensor) or found.shape != view.shape or found.dtype != view.dtype:
        kind = type(found).__name__
        said = f"{found.dtype} {tuple(found.shape)}" if isinstance(found, Tensor) else kind
        raise ConfigError(
            f"{where}: returned {said} for a view of {view.dtype} {tuple(view.shape)}; "
            "a view stays of its kind"
        )
    return found


def part_of(part: Part) -> Part:
    """The target and its own arguments, without the keys that every level has."""
    return {key: value for key, value in part.items() if key not in COMMON["augment"]}
