"""Sheets show the right pictures, in the right order, and stay small."""

import functools
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from ablation.config import DataConfig
from ablation.figures import sheets
from ablation.figures.canvas import GAP, HEAD, LINE, SIDE, thumbnail
from ablation.pictures import views
from ablation.pictures.augment import Augmentation
from ablation.pictures.describe import Picture
from ablation.pictures.split import Split

USUAL = Augmentation({"_target_": None})
SETTINGS = DataConfig(
    source="folder", size=48, val_crop=1.0, crop_min=0.3, interpolation="bilinear"
)


def split(labels: Sequence[int], size: tuple[int, int] = (60, 40)) -> Split:
    """Pictures of one colour each, told apart by its red: 10, 20, 30 …"""

    def read(index: int) -> bytes:
        content = io.BytesIO()
        Image.new("RGB", size, (10 * (index + 1), 0, 60)).save(content, "PNG")
        return content.getvalue()

    pictures = [
        Picture(f"val/{index:03}.png", label, made=functools.partial(read, index))
        for index, label in enumerate(labels)
    ]
    return Split(pictures, 1e9)


def tile(sheet: Image.Image, row: int, column: int, pitch: int, top: int) -> Image.Image:
    """One square of a sheet whose rows are `pitch` pixels apart and start at `top`."""
    left = GAP + column * (SIDE + GAP)
    start = top + row * pitch
    return sheet.crop((left, start, left + SIDE, start + SIDE))


def reds(sheet: Image.Image, n: int) -> list[int]:
    """The red of the first row's pictures."""
    centre = SIDE // 2
    tiles = [tile(sheet, 0, column, 0, HEAD) for column in range(n)]
    return [one.getpixel((centre, centre))[0] for one in tiles]  # type: ignore[index]


def test_the_most_wrong_picture_comes_first() -> None:
    pictures = split([0, 1, 0, 1])
    # Of the true class: 0.9, 0.2, 0.4, 0.05.
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.95, 0.05]], np.float32)
    sheet = sheets.validation_sheet(pictures, ["ant", "bee"], probabilities, SETTINGS)
    assert reds(sheet, 4) == [40, 20, 30, 10]
    frames = [tile(sheet, 0, k, 0, HEAD).getpixel((1, 1)) for k in range(4)]
    assert frames[0] == frames[1] == frames[2] != frames[3]


def test_a_sheet_is_of_a_size_that_does_not_grow_with_the_pictures() -> None:
    pictures = split([index % 20 for index in range(400)], size=(1, 30))
    classes = [f"a class with a long name, number {index}" for index in range(20)]
    probabilities = np.full((400, 20), 0.05, np.float32)
    for sheet in (
        sheets.validation_sheet(pictures, classes, probabilities, SETTINGS),
        sheets.training_sheet(pictures, classes),
        sheets.views_sheet(pictures, classes, 0, 500, SETTINGS, USUAL),
    ):
        assert sheet.width < 1000
        assert sheet.height < 2000


def test_the_sheet_of_views_shows_what_the_network_is_given() -> None:
    pictures = split([0, 1], size=(80, 60))
    sheet = sheets.views_sheet(pictures, ["ant", "bee"], 3, 2, SETTINGS, USUAL)
    top = HEAD + LINE + 4
    for epoch in (1, 2):
        view = views.training_view(pictures, 0, 3, epoch, SETTINGS).permute(1, 2, 0).numpy()
        shown = tile(sheet, 0, epoch, 0, top)
        assert shown.tobytes() == thumbnail(view, SIDE).tobytes()
    # No epoch is shown that there was not.
    assert sheet.width < GAP + 4 * (SIDE + GAP) + 100
    assert tile(sheet, 0, 3, 0, top).getextrema() == ((255, 255),) * 3
