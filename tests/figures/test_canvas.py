"""Text and pictures on a sheet keep their place."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from ablation.figures import canvas


def width_of(text: str, most: int) -> int:
    """How many pixels a line of text takes on a canvas of more than that."""
    drawn = Image.new("RGB", (600, 20), "white")
    canvas.write(ImageDraw.Draw(drawn), (0, 0), text, most)
    return int(np.flatnonzero((np.asarray(drawn) < 255).any((0, 2)))[-1]) + 1


def test_a_text_that_is_too_wide_is_cut() -> None:
    text = "a class with a long name"
    assert width_of(text, 60) <= 60 < width_of(text, 600)
    assert width_of(text, 600) == width_of(text, 500)


@pytest.mark.parametrize("shape", [(1, 3000), (3000, 1), (8, 8), (1200, 900)])
def test_the_longer_side_of_a_thumbnail_is_as_long_as_wanted(shape: tuple[int, int]) -> None:
    small = canvas.thumbnail(np.zeros((*shape, 3), np.uint8), 112)
    assert max(small.size) == 112
    assert (small.width >= small.height) == (shape[1] >= shape[0])


def test_a_sheet_is_saved_by_its_suffix_and_else_as_jpeg(tmp_path: Path) -> None:
    drawn = Image.new("RGB", (20, 10), "white")
    for name, kind in (("sheet.png", "PNG"), ("sheet.JPG", "JPEG")):
        canvas.save(drawn, tmp_path / name)
        with Image.open(tmp_path / name) as saved:
            assert saved.format == kind
    in_memory = io.BytesIO()
    canvas.save(drawn, in_memory)
    assert Image.open(in_memory).format == "JPEG"
