"""Draws text, thumbnails and files of sheets with Pillow.

A sheet has many small pictures. Pillow draws it in a hundredth of the time that as many axes of
matplotlib would take.
"""

import functools
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ablation.figures.style import BLACK, GREY
from ablation.pictures.decode import Pixels

#: In pixels: the longer side of a thumbnail, the space around it, the height of a line of text.
SIDE, GAP, LINE = 112, 8, 15
#: In pixels: the height of a sheet's title and note.
HEAD = 56


@dataclass(frozen=True)
class Font:
    """How a line of text looks.

    Attributes:
        colour: hexadecimal, such as "#1a1a1a".
        size: in pixels.
        bold: whether the letters are bold.
    """

    colour: str = BLACK
    size: int = 12
    bold: bool = False


PLAIN, BOLD, TITLE, NOTE = Font(), Font(bold=True), Font(size=15, bold=True), Font(GREY)


def write(
    pen: ImageDraw.ImageDraw, corner: tuple[int, int], text: str, width: int, font: Font = PLAIN
) -> None:
    """Write one line of text.

    Args:
        pen: draws on the sheet.
        corner: left and top of the text, in pixels.
        text: is cut where it is too wide, and then ends in an ellipsis.
        width: the most pixels that the text may take.
        font: how it looks.
    """
    draw_text(pen, corner, _fitting(text, width, font), font)


def draw_text(
    pen: ImageDraw.ImageDraw,
    place: tuple[float, float],
    text: str,
    font: Font = PLAIN,
    anchor: str = "la",
) -> None:
    """Draw a text, whose shape is kept: the figures of hundreds of runs have the same words.

    Args:
        pen: draws on the figure.
        place: of the anchor, in pixels.
        text: may have several lines, which are centred.
        font: how it looks.
        anchor: what of the text is at the place, in Pillow's letters.
    """
    shape, (left, top) = _shape(text, font.size, font.bold, anchor)
    corner = (round(place[0] + left), round(place[1] + top))
    pen.bitmap(corner, shape, fill=font.colour)


@functools.lru_cache(maxsize=4096)
def _shape(
    text: str, size: int, bold: bool, anchor: str
) -> tuple[Image.Image, tuple[float, float]]:
    """The shape of a text, and its corner as seen from its anchor."""
    own = letters(Font(size=size, bold=bold))
    pen = ImageDraw.Draw(Image.new("L", (1, 1)))
    left, top, right, bottom = pen.textbbox((0, 0), text, own, anchor=anchor, align="center")
    shape = Image.new("L", (max(1, math.ceil(right - left)), max(1, math.ceil(bottom - top))))
    corner = (-left, -top)
    ImageDraw.Draw(shape).text(corner, text, 255, own, anchor=anchor, align="center")
    return shape, (left, top)


@functools.lru_cache(maxsize=4096)
def _fitting(text: str, width: int, font: Font) -> str:
    """A text, cut where it is wider than so many pixels."""
    own = letters(font)
    if own.getlength(text) <= width:
        return text
    shorter: Iterator[str] = (text[:end] + "…" for end in range(len(text) - 1, 0, -1))
    return next((part for part in shorter if own.getlength(part) <= width), "…")


def write_head(canvas: Image.Image, title: str, note: str) -> None:
    """Write a sheet's title, and a note below it."""
    pen = ImageDraw.Draw(canvas)
    write(pen, (GAP, GAP), title, canvas.width - 2 * GAP, TITLE)
    write(pen, (GAP, GAP + 22), note, canvas.width - 2 * GAP, NOTE)


def thumbnail(pixels: Pixels, side: int) -> Image.Image:
    """A small copy of a picture.

    Args:
        pixels: shape (height, width, 3).
        side: the longer side of the copy, in pixels.
    """
    height, width = pixels.shape[:2]
    # Four pixels for each of the copy are enough: a camera's picture has far more.
    step = max(1, max(height, width) // (4 * side))
    picture = Image.fromarray(np.ascontiguousarray(pixels[::step, ::step]))
    scale = side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)


def save(canvas: Image.Image, file: Path | io.BytesIO) -> None:
    """Save a sheet in the format of a path's suffix; without a path, as JPEG.

    JPEG keeps the colours in full resolution (no chroma subsampling), for the sake of the text.

    Raises:
        OSError: the file can't be written.
    """
    if isinstance(file, Path) and file.suffix.lower() not in (".jpg", ".jpeg"):
        # Half the time of the usual level, and a quarter more bytes.
        canvas.save(file, compress_level=1)
    else:
        canvas.save(file, "JPEG", quality=80, subsampling=0)


def percent(share: float) -> str:
    """A share in 0..1 as a percentage; a small one with one decimal."""
    return f"{share:.0%}" if share >= 0.095 else f"{share:.1%}"


@functools.cache
def letters(font: Font) -> ImageFont.FreeTypeFont:
    """The letters of a font: those that come with matplotlib, which are there on every machine."""
    name = "DejaVuSans-Bold.ttf" if font.bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(mpl.get_data_path()) / "fonts" / "ttf" / name, font.size)
