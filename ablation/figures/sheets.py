"""Sheets of pictures: as they are stored, as the network sees them, as it classified them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from ablation.config import DataConfig
from ablation.figures.canvas import (
    BOLD,
    GAP,
    HEAD,
    LINE,
    SIDE,
    Font,
    percent,
    thumbnail,
    write,
    write_head,
)
from ablation.figures.style import BLACK, GREEN, GREY, ORANGE
from ablation.pictures import views
from ablation.pictures.decode import Pixels
from ablation.pictures.split import Split

#: Pictures in a row.
COLUMNS = 8
#: The least width of a sheet, in pixels: its title has to fit.
LEAST_WIDTH = 520


@dataclass(frozen=True)
class Tile:
    """A picture on a sheet.

    Attributes:
        pixels: shape (height, width, 3), of any height and width.
        lines: what is written below it, each line with its colour.
        frame: the colour of its frame; None for no frame.
    """

    pixels: Pixels
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


def validation_sheet(
    split: Split,
    classes: Sequence[str],
    probabilities: npt.NDArray[np.float32],
    data: DataConfig,
    most: int = 5 * COLUMNS,
) -> Image.Image:
    """Validation views and what the network says of them, the most wrong first.

    Args:
        split: the validation pictures.
        classes: their names.
        probabilities: shape (n, n_classes).
        data: says how views are made.
        most: how many pictures are shown.
    """
    of_true_class = probabilities[np.arange(len(split)), split.labels]
    predicted = probabilities.argmax(1)
    n_wrong = int((predicted != split.labels).sum())
    shown = np.argsort(of_true_class, kind="stable")[:most]
    tiles = []
    for index in shown.tolist():
        label, said = split.labels[index], predicted[index]
        sign, colour = ("✓", GREEN) if label == said else ("✗", ORANGE)
        verdict = f"{sign} {classes[said]} {percent(probabilities[index, said])}"
        pixels = views.validation_view(split, index, data).permute(1, 2, 0).numpy()
        tiles.append(Tile(pixels, ((classes[label], BLACK), (verdict, colour)), colour))
    title = f"Validation pictures, the most wrong first ({n_wrong} of {len(split)} wrong)"
    note = "below each: its class, and the predicted one (✓ right, ✗ wrong) with its probability"
    return sheet(title, note, [("", tiles)])


def training_sheet(split: Split, classes: Sequence[str], most_classes: int = 12) -> Image.Image:
    """Some training pictures of each class, as they are stored.

    Args:
        split: the training pictures.
        classes: their names.
        most_classes: how many classes are shown.
    """
    shown = _spread(range(len(classes)), most_classes)
    n_rows = {1: 3, 2: 3, 3: 2, 4: 2}.get(len(shown), 1)
    groups = []
    for label in shown:
        members = np.flatnonzero(split.labels == label).tolist()
        few = _spread(members, n_rows * COLUMNS)
        heading = f"{classes[label]}: {len(members)} pictures"
        groups.append((heading, [Tile(split.pixels(index)) for index in few]))
    of = f"{len(shown)} of {len(classes)}" if len(shown) < len(classes) else str(len(classes))
    return sheet(f"Training pictures of {of} classes", f"{len(split)} in all", groups)


def views_sheet(
    split: Split, classes: Sequence[str], seed: int, epochs: int, data: DataConfig
) -> Image.Image:
    """Some training pictures and their views, epoch by epoch.

    Args:
        split: the training pictures.
        classes: their names.
        seed: of the run.
        epochs: of the run; only the first are shown.
        data: says how views are made.
    """
    by_class = np.argsort(split.labels, kind="stable").tolist()
    n_epochs = min(epochs, COLUMNS - 1)
    groups = []
    for index in _spread(by_class, 6):
        tiles = [Tile(split.pixels(index), (("picture", BLACK),))]
        for epoch in range(1, n_epochs + 1):
            view = views.training_view(split, index, seed, epoch, data)
            tiles.append(Tile(view.permute(1, 2, 0).numpy(), ((f"epoch {epoch}", GREY),)))
        groups.append((f"{classes[split.labels[index]]}: {split.names[index]}", tiles))
    title = f"What the network sees: {data.size} × {data.size} pixels, new in each epoch"
    return sheet(title, f"seed {seed}; left, the pictures as they are stored", groups)


def _strip(heading: str, tiles: Sequence[Tile]) -> Image.Image:
    """One row of a sheet: its heading, its pictures, and the lines below them."""
    small = [thumbnail(tile.pixels, SIDE) for tile in tiles]
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


def _spread(items: Iterable[int], most: int) -> list[int]:
    """At most so many of the items, evenly spread over them."""
    whole = list(items)
    if len(whole) <= most:
        return whole
    return [whole[i] for i in np.linspace(0, len(whole) - 1, most).round().astype(int)]
