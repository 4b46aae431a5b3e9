"""Resizes pictures, antialiased: whole ones, the middle of very long ones, batches on a device."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ablation.pictures.decode import Pixels
from ablation.pictures.split import Split


def resize(pixels: Pixels, size: tuple[int, int], interpolation: str) -> Tensor:
    """Resize a picture.

    Args:
        pixels: shape (height, width, 3).
        size: the new height and width.
        interpolation: bilinear or bicubic.

    Returns:
        uint8, shape (3, *size).
    """
    # torch warns of arrays that it may not write to, though it does not write here.
    picture = torch.from_numpy(np.require(pixels, requirements=["C", "W"]))
    picture = picture.permute(2, 0, 1)[None]
    return F.interpolate(picture, size=size, mode=interpolation, antialias=True)[0]


def resize_part(
    pixels: Pixels,
    whole: tuple[int, int],
    corner: tuple[int, int],
    side: int,
    interpolation: str,
) -> Tensor:
    """A square of the resized picture, made without the rest of it.

    For very long pictures: one of 1 × 10,000 pixels would become one of 256 × 2,560,000. Differs
    from the same part of `resize` by at most 1 of 255.

    Args:
        pixels: shape (height, width, 3).
        whole: height and width of the resized picture.
        corner: top and left of the square in it.
        side: of the square, in pixels.
        interpolation: bilinear or bicubic.

    Returns:
        uint8, shape (3, side, side).
    """
    (top, rows), (left, columns) = (
        _weights_of_part(n_pixels, n_outputs, first, side, interpolation)
        for n_pixels, n_outputs, first in zip(pixels.shape[:2], whole, corner, strict=True)
    )
    part = pixels[top : top + rows.shape[1], left : left + columns.shape[1]]
    source = torch.from_numpy(part.astype(np.float32)).permute(2, 0, 1)
    # As torch does between its two passes: bicubic weights overshoot beside edges.
    narrow = (source @ columns.T).clamp_(0, 255)
    return (rows @ narrow).round_().clamp_(0, 255).to(torch.uint8)


def padded(split: Split) -> Tensor:
    """All pictures of a split in one tensor, padded with black below and to the right.

    Returns:
        uint8, shape (n, height, width, 3).
    """
    pixels = [split.pixels(index) for index in range(len(split))]
    height, width = (max(picture.shape[axis] for picture in pixels) for axis in (0, 1))
    out = torch.zeros(len(split), height, width, 3, dtype=torch.uint8)
    for to, picture in zip(out, pixels, strict=True):
        to[: picture.shape[0], : picture.shape[1]] = torch.from_numpy(np.array(picture))
    return out


def resize_crops(pictures: Tensor, crops: Tensor, size: int, interpolation: str) -> Tensor:
    """The training views of a batch, made on the pictures' device without synchronising with it.

    They differ from those of `views.training_views` by rounding: by 1 of 255, rarely by 2.

    Args:
        pictures: uint8, shape (n, height, width, 3).
        crops: what `views.training_crops` returns, on the same device.
        size: side of the views, in pixels.
        interpolation: bilinear or bicubic.

    Returns:
        uint8, shape (n, 3, size, size), channels last.
    """
    n, height, width, _ = pictures.shape
    top, left, h, w, is_mirrored = crops.unbind(1)
    rows = _weights(top, h, height, size, interpolation)
    columns = _weights(left, w, width, size, interpolation)
    columns = torch.where(is_mirrored.bool()[:, None, None], columns.flip(1), columns)
    # Two matrix products for each picture, in the order of the CPU's passes: columns, then rows.
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
    """The weights of antialiased resizing along one side of each picture of a batch.

    Each output weighs the pixels by their distance from its centre, in pixels; in outputs where the
    picture shrinks. The weights are those of torch and Pillow (bicubic: Keys 1981, a = -0.5).

    Args:
        start, length: shape (n,), the pixels that are resized.
        n_pixels: along the side of the picture.
        size: the number of outputs.
        interpolation: bilinear or bicubic.

    Returns:
        Shape (n, size, n_pixels).
    """
    start, length = start[:, None, None].float(), length[:, None, None].float()
    outputs = torch.arange(size, device=start.device)[None, :, None]
    pixels = torch.arange(n_pixels, device=start.device)[None, None, :] - start
    scale = length / size
    distance = (pixels + 0.5 - (outputs + 0.5) * scale).abs() / scale.clamp_min(1)
    weights = _kernel(distance, interpolation) * ((pixels >= 0) & (pixels < length))
    return weights / weights.sum(2, keepdim=True)


def _weights_of_part(
    n_pixels: int, n_outputs: int, first: int, count: int, interpolation: str
) -> tuple[int, Tensor]:
    """The weights of `count` of the outputs along one side, over the pixels that they need.

    Returns:
        The first of these pixels, and the weights: shape (count, n_needed).
    """
    scale = n_pixels / n_outputs
    reach = max(scale, 1.0)
    centres = (first + torch.arange(count, dtype=torch.float64) + 0.5) * scale
    # A bicubic kernel reaches twice as far as a bilinear one.
    start = max(0, int(centres[0] - 2 * reach))
    end = min(n_pixels, int(centres[-1] + 2 * reach) + 1)
    distance = (torch.arange(start, end) + 0.5 - centres[:, None]).abs() / reach
    weights = _kernel(distance, interpolation)
    return start, (weights / weights.sum(1, keepdim=True)).float()


def _kernel(distance: Tensor, interpolation: str) -> Tensor:
    """The weight of a pixel by its distance from an output's centre, for any shape."""
    if interpolation == "bilinear":
        return (1 - distance).clamp_min(0)
    near = (1.5 * distance - 2.5) * distance**2 + 1
    far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    return torch.where(distance < 1, near, torch.where(distance < 2, far, 0.0))
