"""Views: the pictures as the network sees them.

A training view is a function of (seed, epoch, picture) alone, never of the worker, the batch or
the cell. Cells of one seed therefore see identical views: their differences are paired, and what
is computed from a view can be shared.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from ablation.config import DataConfig, ModelConfig, chosen
from ablation.pictures.decode import Pixels
from ablation.pictures.resampling import resize, resize_part
from ablation.pictures.split import Split
from ablation.randomness import view_draws

#: A picture whose longer side would be more than this many views is resized only in its middle.
LONGEST = 16


def crop_box(
    height: int, width: int, config: DataConfig, draws: np.random.Generator
) -> tuple[int, int, int, int]:
    """Draw a crop of a picture, by the law of torchvision's RandomResizedCrop.

    The share of the area is uniform in [crop_min, 1], the aspect ratio log-uniform in
    [1 / crop_aspect, crop_aspect]. If no crop fits in ten tries, it is the largest centred one.

    Args:
        height: of the picture, in pixels.
        width: of the picture, in pixels.
        config: has `crop_min` and `crop_aspect`.
        draws: where random numbers come from.

    Returns:
        Top, left, height and width of the crop, in pixels.
    """
    widest = np.log(config.crop_aspect)
    for share, log_aspect in zip(
        draws.uniform(config.crop_min, 1, 10), draws.uniform(-widest, widest, 10), strict=True
    ):
        w = round(float(np.sqrt(share * height * width * np.exp(log_aspect))))
        h = round(float(np.sqrt(share * height * width / np.exp(log_aspect))))
        if 0 < w <= width and 0 < h <= height:
            top, left = draws.integers(0, [height - h + 1, width - w + 1])
            return int(top), int(left), h, w
    w = min(width, round(height * config.crop_aspect))
    h = min(height, round(width * config.crop_aspect))
    return (height - h) // 2, (width - w) // 2, h, w


def training_view(split: Split, index: int, seed: int, epoch: int, config: DataConfig) -> Tensor:
    """A random crop of one picture, resized and perhaps mirrored.

    Args:
        split: has the picture.
        index: the picture's place in the split.
        seed: of the run.
        epoch: from 1.
        config: says how views are cut.

    Returns:
        uint8, shape (3, size, size).
    """
    pixels = split.pixels(index)
    height, width = pixels.shape[:2]
    top, left, h, w, is_mirrored = _crop(height, width, int(split.keys[index]), seed, epoch, config)
    size = chosen(config.size)
    crop = pixels[top : top + h, left : left + w]
    view = resize(crop, (size, size), chosen(config.interpolation))
    return view.flip(-1) if is_mirrored else view


def training_views(
    split: Split, indices: Iterable[int], seed: int, epoch: int, config: DataConfig
) -> Tensor:
    """The training views of some pictures: uint8, shape (n, 3, size, size), channels last."""
    return _stack([training_view(split, int(i), seed, epoch, config) for i in indices])


def training_crops(
    split: Split, indices: Iterable[int], seed: int, epoch: int, config: DataConfig
) -> Tensor:
    """The crops of some pictures' views, for `resampling.resize_crops`.

    Returns:
        int64, shape (n, 5): top, left, height and width of the crop, and 1 where it is mirrored.
    """
    rows = []
    for index in map(int, indices):
        height, width = split.sizes[index].tolist()
        rows.append(_crop(height, width, int(split.keys[index]), seed, epoch, config))
    return torch.tensor(rows, dtype=torch.int64)


def _crop(
    height: int, width: int, key: int, seed: int, epoch: int, config: DataConfig
) -> tuple[int, int, int, int, bool]:
    """The crop of a picture's view, and whether it is mirrored."""
    draws = view_draws(seed, epoch, key)
    is_mirrored = bool(draws.random() < 0.5) and config.flip
    return *crop_box(height, width, config, draws), is_mirrored


def whole_views(
    split: Split, indices: Iterable[int], seed: int, epoch: int, config: DataConfig
) -> Tensor:
    """The validation views of some pictures, perhaps mirrored as their training views are."""
    made = []
    for index in map(int, indices):
        view = validation_view(split, index, config)
        is_mirrored = view_draws(seed, epoch, int(split.keys[index])).random() < 0.5
        made.append(view.flip(-1) if is_mirrored and config.flip else view)
    return _stack(made)


def validation_view(split: Split, index: int, config: DataConfig) -> Tensor:
    """The centre of one picture, see `centre_view`: uint8, shape (3, size, size)."""
    return centre_view(split.pixels(index), config)


def validation_views(split: Split, indices: Sequence[int], config: DataConfig) -> Tensor:
    """The validation views of some pictures: uint8, shape (n, 3, size, size), channels last."""
    return _stack([validation_view(split, i, config) for i in indices])


def centre_view(pixels: Pixels, config: DataConfig) -> Tensor:
    """The centre of a picture whose shorter side is resized to size / val_crop.

    Args:
        pixels: shape (height, width, 3), of any height and width.
        config: has `size`, `val_crop` and `interpolation`.

    Returns:
        uint8, shape (3, size, size).
    """
    height, width = pixels.shape[:2]
    size, interpolation = chosen(config.size), chosen(config.interpolation)
    short = round(size / chosen(config.val_crop))
    scale = short / min(height, width)
    whole = (max(short, int(height * scale)), max(short, int(width * scale)))
    top, left = (whole[0] - size) // 2, (whole[1] - size) // 2
    if max(whole) > LONGEST * size:
        return resize_part(pixels, whole, (top, left), size, interpolation)
    return resize(pixels, whole, interpolation)[:, top : top + size, left : left + size]


def _stack(views: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(views)).contiguous(memory_format=torch.channels_last)


def normalise(views: Tensor, model: ModelConfig) -> Tensor:
    """Views with the mean and standard deviation that the model's weights expect.

    Args:
        views: uint8, shape (n, 3, height, width).
        model: has `mean` and `std`, of pixels in 0..1.

    Returns:
        float32, of the same shape.
    """
    mean = torch.tensor(chosen(model.mean), device=views.device).view(3, 1, 1) * 255
    scale = 1 / (torch.tensor(chosen(model.std), device=views.device).view(3, 1, 1) * 255)
    return (views - mean).mul_(scale)
