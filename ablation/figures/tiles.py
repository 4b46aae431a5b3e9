"""Thumbnails in rows: what every sheet of pictures is made of."""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from ablation.figures.canvas import (
    BOLD,
    GAP,
    HEAD,
    LINE,
    SIDE,
    Font,
    thumbnail,
    write,
    write_head,
)
from ablation.pictures.decode import Pixels

#: Pictures in a row.
COLUMNS = 8
#: The least width of a sheet, in pixels: its title has to fit.
LEAST_WIDTH = 520


@dataclass(frozen=True)
class Tile:
    """A picture on a sheet.

    Attributes:
        pixels: shape (height, width, 3), of any height and width; or the thumbnail itself.
        lines: what is written below it, each line with its colour.
        frame: the colour of its frame; None for no frame.
    """

    pixels: Pixels | Image.Image
    lines: tuple[tuple[str, str], ...] = ()
    frame: str | None = None


def sheet(
    title: str, note: str, groups: Sequence[tuple[str, Sequence[Tile]]], columns: int = COLUMNS
) -> Image.Image:
    """A sheet of thumbnails in rows.

    Args:
        title: above the sheet.
        note: below the title.
        groups: a heading, which may be empty, and pictures; each group starts a new row.
        columns: the most pictures in a row.
    """
    rows = [
        (heading if first == 0 else "", tiles[first : first + columns])
        for heading, tiles in groups
        for first in range(0, len(tiles), columns)
    ]
    widest = max((len(tiles) for _, tiles in rows), default=1)
    strips = [_strip(heading, tiles) for heading, tiles in rows]
    width = max(GAP + widest * (SIDE + GAP), LEAST_WIDTH)
    canvas = Image.new("RGB", (width, HEAD + sum(strip.height for strip in strips)), "white")
    write_head(canvas, title, note)
    top = HEAD
    for strip in strips:
        canvas.paste(strip, (GAP, top))
        top += strip.height
    return canvas


def _strip(heading: str, tiles: Sequence[Tile]) -> Image.Image:
    """One row of a sheet: its heading, its pictures, and the lines below them."""
    small = [
        tile.pixels if isinstance(tile.pixels, Image.Image) else thumbnail(tile.pixels, SIDE)
        for tile in tiles
    ]
    start = LINE + 4 if heading else 0
    foot = start + max(picture.height for picture in small)
    n_lines = max(len(tile.lines) for tile in tiles)
    width = max(len(tiles) * (SIDE + GAP), LEAST_WIDTH)
    height = foot + LINE * n_lines + GAP + (GAP if n_lines else 0)
    strip = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(strip)
    write(pen, (0, 0), heading, width, BOLD)
    for column, (tile, picture) in enumerate(zip(tiles, small, strict=True)):
        left = column * (SIDE + GAP)
        # Low pictures stand at the bottom, next to their lines of text.
        corner = (left + (SIDE - picture.width) // 2, foot - picture.height)
        strip.paste(picture, corner)
        if tile.frame:
            opposite = (corner[0] + picture.width - 1, foot - 1)
            pen.rectangle((*corner, *opposite), outline=tile.frame, width=3)
        for index, (text, colour) in enumerate(tile.lines):
            place = (left, foot + 1 + index * LINE)
            write(pen, place, text, SIDE + GAP - 2, Font(colour))
    return strip
