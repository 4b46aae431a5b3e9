"""Resizing a part, or crops on a device, gives what resizing the whole picture gives."""

import numpy as np
import pytest
import torch

from ablation.config import DataConfig
from ablation.pictures import resampling, views
from ablation.pictures.split import Split
from tests.pictures.made_up import views_config


def whole_then_cut(pixels: np.ndarray, settings: DataConfig) -> torch.Tensor:
    """The definition: the whole picture resized, then its centre cut out."""
    short = round(settings.size / settings.val_crop)
    scale = short / min(pixels.shape[:2])
    sides = [max(short, int(side * scale)) for side in pixels.shape[:2]]
    picture = torch.from_numpy(pixels).permute(2, 0, 1)[None]
    mode = settings.interpolation
    resized = torch.nn.functional.interpolate(picture, sides, mode=mode, antialias=True)[0]
    top, left = ((side - settings.size) // 2 for side in sides)
    return resized[:, top : top + settings.size, left : left + settings.size]


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("shape", [(375, 500), (500, 375), (31, 33), (200, 200), (60, 700)])
def test_the_centre_of_an_ordinary_picture_is_exactly_that_of_the_whole(
    shape: tuple[int, int], interpolation: str
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    for size, val_crop in ((32, 0.875), (96, 0.875), (64, 1.0)):
        settings = views_config(size=size, val_crop=val_crop, interpolation=interpolation)
        assert torch.equal(views.centre_view(pixels, settings), whole_then_cut(pixels, settings))


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize(
    "shape", [(1, 100), (100, 1), (20, 700), (301, 5), (40, 3000), (9000, 300)]
)
def test_the_centre_of_a_long_picture_is_that_of_the_whole_within_a_level(
    shape: tuple[int, int], interpolation: str
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    ramp = np.linspace(0, 255, noise.size).reshape(noise.shape).astype(np.uint8)
    for size, val_crop in ((32, 0.875), (96, 0.875), (64, 1.0)):
        settings = views_config(size=size, val_crop=val_crop, interpolation=interpolation)
        for pixels in (noise, ramp, 255 * (noise > 127).astype(np.uint8)):
            found, wanted = views.centre_view(pixels, settings), whole_then_cut(pixels, settings)
            assert found.shape == wanted.shape
            assert (found.int() - wanted.int()).abs().max() <= 1


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_views_made_on_a_device_are_those_of_the_cpu(
    interpolation: str, photographs: Split
) -> None:
    settings, indices = views_config(interpolation=interpolation), list(range(len(photographs)))
    pictures = resampling.padded(photographs)
    mirrored = []
    for epoch in range(1, 9):
        draws = views.training_crops(photographs, indices, 0, epoch, settings)
        mirrored += draws[:, 4].tolist()
        made = resampling.resize_crops(pictures, draws, 32, interpolation)
        wanted = views.training_views(photographs, indices, 0, epoch, settings)
        assert made.dtype == wanted.dtype
        assert made.is_contiguous(memory_format=torch.channels_last)
        off = (made.int() - wanted.int()).abs()
        # The CPU computes in whole numbers.
        assert off.max() <= 2
        assert off.float().mean() < 0.1
    assert set(mirrored) == {0, 1}


def test_views_made_on_a_device_are_not_waited_for() -> None:
    """Tensors of shape alone refuse to be read, and to be mixed with others."""
    pictures = torch.empty(4, 50, 60, 3, dtype=torch.uint8, device="meta")
    draws = torch.empty(4, 5, dtype=torch.int64, device="meta")
    made = resampling.resize_crops(pictures, draws, 32, "bicubic")
    assert made.device.type == "meta"
    assert made.shape == (4, 3, 32, 32)
