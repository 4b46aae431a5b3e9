"""Views: the pictures as the network sees them.

A training view is a function of (seed, epoch, picture) alone, never of the worker, the batch or
the cell: cells of one seed see identical views, so their differences are paired and what is
computed from a view can be shared.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from ablation.config import DataConfig, ModelConfig, chosen
from ablation.pictures.data import Split
from ablation.randomness import VIEW

#: How many views' sides a resized picture may be long; of a longer one only the part is made.
LONGEST = 16


def crop_box(
    height: int, width: int, config: DataConfig, draws: np.random.Generator
) -> tuple[int, int, int, int]:
    """A random crop (top, left, height, width) of a share of the area and a width to height.

    The law is that of torchvision's RandomResizedCrop: area uniform in [crop_min, 1], aspect
    log-uniform in [1 / crop_aspect, crop_aspect], ten tries, then the largest centre crop.
    """
    widest = np.log(config.crop_aspect)
    for share, slant in zip(
        draws.uniform(config.crop_min, 1, 10), draws.uniform(-widest, widest, 10), strict=True
    ):
        w = round(float(np.sqrt(share * height * width * np.exp(slant))))
        h = round(float(np.sqrt(share * height * width / np.exp(slant))))
        if 0 < w <= width and 0 < h <= height:
            top, left = draws.integers(0, [height - h + 1, width - w + 1])
            return int(top), int(left), h, w
    w = min(width, round(height * config.crop_aspect))
    h = min(height, round(width * config.crop_aspect))
    return (height - h) // 2, (width - w) // 2, h, w


def training_view(split: Split, index: int, seed: int, epoch: int, config: DataConfig) -> Tensor:
    """One random crop, resized and perhaps mirrored: uint8, shape (3, size, size)."""
    pixels = split.pixels(index)
    height, width = pixels.shape[:2]
    top, left, h, w, is_mirrored = _draw(height, width, int(split.keys[index]), seed, epoch, config)
    size = chosen(config.size)
    view = _resize(pixels[top : top + h, left : left + w], (size, size), config)
    return view.flip(-1) if is_mirrored else view


def _draw(
    height: int, width: int, key: int, seed: int, epoch: int, config: DataConfig
) -> tuple[int, int, int, int, bool]:
    """The crop of a picture's view, and whether it is mirrored."""
    draws = np.random.default_rng([VIEW, seed, epoch, key])
    is_mirrored = bool(draws.random() < 0.5) and config.flip
    return *crop_box(height, width, config, draws), is_mirrored


def training_draws(
    split: Split, indices: Iterable[int], seed: int, epoch: int, config: DataConfig
) -> Tensor:
    """What `resampled` needs to make the views of some pictures: int64, shape (n, 5).

    Columns: top, left, height and width of the crop, and 1 where it is mirrored.
    """
    rows = []
    for index in map(int, indices):
        height, width, _ = split.pixels(index).shape
        rows.append(_draw(height, width, int(split.keys[index]), seed, epoch, config))
    return torch.tensor(rows, dtype=torch.int64)


def padded(split: Split) -> Tensor:
    """All pictures of a split at one size, black below and to the right: uint8, (n, h, w, 3)."""
    pixels = [split.pixels(index) for index in range(len(split))]
    height, width = (max(picture.shape[axis] for picture in pixels) for axis in (0, 1))
    out = torch.zeros(len(split), height, width, 3, dtype=torch.uint8)
    for to, picture in zip(out, pixels, strict=True):
        to[: picture.shape[0], : picture.shape[1]] = torch.from_numpy(np.array(picture))
    return out


def resampled(pictures: Tensor, draws: Tensor, size: int, interpolation: str) -> Tensor:
    """Training views made at once, on the pictures' device, without waiting for it.

    They are those of `training_views` but for rounding: a level, rarely two.

    Args:
        pictures: uint8, shape (n, height, width, 3).
        draws: of `training_draws`, on the same device.
        size: of the views, pixels a side.
        interpolation: bilinear or bicubic.

    Returns:
        uint8, shape (n, 3, size, size), channels last.
    """
    n, height, width, _ = pictures.shape
    top, left, h, w, is_mirrored = draws.unbind(1)
    rows = _weights(top, h, height, size, interpolation)
    columns = _weights(left, w, width, size, interpolation)
    columns = torch.where(is_mirrored.bool()[:, None, None], columns.flip(1), columns)
    # Two products of matrices for each picture, in the CPU's order: columns, then rows.
    by_column = pictures.float().transpose(1, 2).reshape(n, width, height * 3)
    # As between the passes on a CPU: bicubic weights overshoot beside edges.
    narrow = (columns @ by_column).round_().clamp_(0, 255)
    by_row = narrow.view(n, size, height, 3).transpose(1, 2).reshape(n, height, size * 3)
    out = (rows @ by_row).view(n, size, size, 3)
    return (
        out.round_()
        .clamp_(0, 255)
        .to(torch.uint8)
        .permute(0, 3, 1, 2)
        .contiguous(memory_format=torch.channels_last)
    )


def _weights(start: Tensor, length: Tensor, n_pixels: int, size: int, interpolation: str) -> Tensor:
    """Weights of antialiased resizing of some pixels from `start`: (n, size, n_pixels).

    Each output weighs the pixels by their distance from its centre, in pixels or, where the
    picture shrinks, in outputs: those of torch's and PIL's resizing (bicubic: Keys 1981, a = -0.5).
    """
    start, length = start[:, None, None].float(), length[:, None, None].float()
    outputs = torch.arange(size, device=start.device)[None, :, None]
    pixels = torch.arange(n_pixels, device=start.device)[None, None, :] - start
    scale = length / size
    distance = (pixels + 0.5 - (outputs + 0.5) * scale).abs() / scale.clamp_min(1)
    weights = _kernel(distance, interpolation) * ((pixels >= 0) & (pixels < length))
    return weights / weights.sum(2, keepdim=True)


def _kernel(distance: Tensor, interpolation: str) -> Tensor:
    """Weights by the distance from an output's centre, of any shape."""
    if interpolation == "bilinear":
        return (1 - distance).clamp_min(0)
    near = (1.5 * distance - 2.5) * distance**2 + 1
    far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    return torch.where(distance < 1, near, torch.where(distance < 2, far, 0.0))


def validation_view(split: Split, index: int, config: DataConfig) -> Tensor:
    """The shorter side resized to size / val_crop, and its centre: uint8, shape (3, size, size)."""
    return centre_view(split.pixels(index), config)


def centre_view(pixels: npt.NDArray[np.uint8], config: DataConfig) -> Tensor:
    """The same of decoded pixels, shape (height, width, 3), of any shape."""
    height, width = pixels.shape[:2]
    size = chosen(config.size)
    short = round(size / chosen(config.val_crop))
    scale = short / min(height, width)
    whole = (max(short, int(height * scale)), max(short, int(width * scale)))
    corner = ((whole[0] - size) // 2, (whole[1] - size) // 2)
    if max(whole) > LONGEST * size:
        return _resized_part(pixels, whole, corner, config)
    resized = _resize(pixels, whole, config)
    return resized[:, corner[0] : corner[0] + size, corner[1] : corner[1] + size]


def _resized_part(
    pixels: npt.NDArray[np.uint8],
    whole: tuple[int, int],
    corner: tuple[int, int],
    config: DataConfig,
) -> Tensor:
    """What `_resize` to `whole` has from `corner` on, within a level, without making the rest.

    A picture of 1 × 10,000 pixels would become one of 256 × 2,560,000.

    Args:
        pixels: shape (height, width, 3).
        whole: height and width of the picture resized.
        corner: top and left of the part.

    Returns:
        uint8, shape (3, size, size).
    """
    size, interpolation = chosen(config.size), chosen(config.interpolation)
    (top, rows), (left, columns) = (
        _weights_of_part(n_pixels, n_outputs, first, size, interpolation)
        for n_pixels, n_outputs, first in zip(pixels.shape[:2], whole, corner, strict=True)
    )
    part = pixels[top : top + rows.shape[1], left : left + columns.shape[1]]
    source = torch.from_numpy(part.astype(np.float32)).permute(2, 0, 1)
    # As torch does between its two passes: bicubic weights overshoot beside edges.
    narrow = (source @ columns.T).clamp_(0, 255)
    return (rows @ narrow).round_().clamp_(0, 255).to(torch.uint8)


def _weights_of_part(
    n_pixels: int, n_outputs: int, first: int, count: int, interpolation: str
) -> tuple[int, Tensor]:
    """Weights of some outputs of antialiased resizing, over the pixels that they need.

    Returns:
        The first of these pixels, and the weights: shape (count, n_needed).
    """
    scale = n_pixels / n_outputs
    reach = max(scale, 1.0)
    centres = (first + torch.arange(count, dtype=torch.float64) + 0.5) * scale
    # A bicubic weight reaches twice as far as a bilinear one.
    start = max(0, int(centres[0] - 2 * reach))
    end = min(n_pixels, int(centres[-1] + 2 * reach) + 1)
    distance = (torch.arange(start, end) + 0.5 - centres[:, None]).abs() / reach
    weights = _kernel(distance, interpolation)
    return start, (weights / weights.sum(1, keepdim=True)).float()


def _resize(pixels: npt.NDArray[np.uint8], size: tuple[int, int], config: DataConfig) -> Tensor:
    """Antialiased, by `config.interpolation`: uint8 (h, w, 3) → uint8 (3, *size)."""
    # torch warns of arrays that it may not write to; it does not write here.
    picture = torch.from_numpy(np.require(pixels, requirements=["C", "W"]))
    picture = picture.permute(2, 0, 1)[None]
    mode = chosen(config.interpolation)
    return F.interpolate(picture, size=size, mode=mode, antialias=True)[0]


def training_views(
    split: Split, indices: Iterable[int], seed: int, epoch: int, config: DataConfig
) -> Tensor:
    """Views of some pictures: uint8, shape (n, 3, size, size), channels last."""
    return _stack([training_view(split, int(i), seed, epoch, config) for i in indices])


def validation_views(split: Split, indices: Sequence[int], config: DataConfig) -> Tensor:
    return _stack([validation_view(split, i, config) for i in indices])


def _stack(views: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(views)).contiguous(memory_format=torch.channels_last)


def normalise(views: Tensor, model: ModelConfig) -> Tensor:
    """uint8 views → float32 of the mean and deviation that the weights expect, channels last."""
    mean = torch.tensor(chosen(model.mean), device=views.device).view(3, 1, 1) * 255
    scale = 1 / (torch.tensor(chosen(model.std), device=views.device).view(3, 1, 1) * 255)
    return (views - mean).mul_(scale)


class Ahead:
    """Makes the next batches while the current one is used; without threads, when it is asked."""

    def __init__(self, n_threads: int) -> None:
        self._threads = ThreadPoolExecutor(n_threads, "views") if n_threads else None
        self._depth = n_threads + 1

    def __call__(self, tasks: Iterable[Callable[[], Tensor]]) -> Iterator[Tensor]:
        """What the tasks return, in order."""
        if self._threads is None:
            yield from (task() for task in tasks)
            return
        waiting: list[Future[Tensor]] = []
        for task in tasks:
            waiting.append(self._threads.submit(task))
            if len(waiting) > self._depth:
                yield waiting.pop(0).result()
        for future in waiting:
            yield future.result()
