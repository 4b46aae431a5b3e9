"""Sheets of pictures: as they are stored, as the network sees them, as it classed them."""

import functools
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from ablation.config import DataConfig
from ablation.figures.style import BLACK, GAP, GREEN, GREY, LINE, ORANGE, SIDE
from ablation.pictures import views
from ablation.pictures.decode import Pixels
from ablation.pictures.split import Split

Floats = npt.NDArray[np.float32]

#: Pixels that a sheet's title and note take.
HEAD = 56
COLUMNS = 8


def validation_sheet(
    split: Split,
    classes: Sequence[str],
    probabilities: Floats,
    data: DataConfig,
    most: int = 5 * COLUMNS,
) -> Image.Image:
    """Validation views with what the network says of them, the most wrong first.

    Args:
        probabilities: shape (n, n_classes).
        most: how many are shown.
    """
    of_truth = probabilities[np.arange(len(split)), split.labels]
    predicted = probabilities.argmax(1)
    n_wrong = int((predicted != split.labels).sum())
    shown = np.argsort(of_truth, kind="stable")[:most]
    tiles = []
    for index in shown.tolist():
        label, said = split.labels[index], predicted[index]
        sign, colour = ("✓", GREEN) if label == said else ("✗", ORANGE)
        verdict = f"{sign} {classes[said]} {_percent(probabilities[index, said])}"
        pixels = views.validation_view(split, index, data).permute(1, 2, 0).numpy()
        tiles.append(Tile(pixels, ((classes[label], BLACK), (verdict, colour)), colour))
    title = f"Validation pictures, the most wrong first ({n_wrong} of {len(split)} wrong)"
    note = "below each: its class; what the network says (✓ right, ✗ wrong) and how sure it is"
    return sheet(title, note, [("", tiles)])


def training_sheet(split: Split, classes: Sequence[str], most_classes: int = 12) -> Image.Image:
    """Whole training pictures, class by class."""
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
    """Some training pictures and the views of them that the network sees, epoch by epoch."""
    by_class = np.argsort(split.labels, kind="stable").tolist()
    n_epochs = min(epochs, COLUMNS - 1)
    groups = []
    for index in _spread(by_class, 6):
        tiles = [Tile(split.pixels(index), (("picture", BLACK),))]
        for epoch in range(1, n_epochs + 1):
            view = views.training_view(split, index, seed, epoch, data)
            tiles.append(Tile(view.permute(1, 2, 0).numpy(), ((f"epoch {epoch}", GREY),)))
        groups.append((f"{classes[split.labels[index]]}: {split.names[index]}", tiles))
    title = f"What the network sees: {data.size} × {data.size} pixels, anew in each epoch"
    return sheet(title, f"seed {seed}; left, the pictures as they are", groups)


def filters(before: Floats, after: Floats, most: int = 64) -> Image.Image:
    """The first convolution's filters before and after training, and their difference.

    Args:
        before, after: shape (n_filters, n_channels, height, width); three channels are shown as
            colours, any other number by its mean.
        most: how many are shown.
    """
    n, _, height, width = before.shape
    shown, before, after = min(n, most), before[:most], after[:most]
    change = after - before
    # Nearly the largest weight: a single one beyond it would leave all others grey.
    scale = float(np.quantile(np.abs([before, after]), 0.99)) or 1.0
    panels = [("before training", before / scale)]
    if change.any():
        limit = float(np.quantile(np.abs(change), 0.99)) or float(np.abs(change).max())
        share = float(np.linalg.norm(change)) / (float(np.linalg.norm(before)) or 1.0)
        panels.append(("after training", after / scale))
        heading = f"changed by {_percent(share)}, shown × {max(1, round(scale / limit))}"
        panels.append((heading, change / limit))
    else:
        panels.append(("after training: unchanged", after / scale))
    grids = [_grid(weights, zoom=max(1, 36 // max(height, width))) for _, weights in panels]
    wide = max(grids[0].width, 230)
    size = (len(grids) * (wide + 2 * GAP), HEAD + LINE + 4 + grids[0].height + GAP)
    canvas = Image.new("RGB", size, "white")
    note = "grey is 0" + (f"; the first {shown} are shown" if shown < n else "")
    _write_head(canvas, f"First convolution: {n} filters of {height} × {width}", note)
    pen = ImageDraw.Draw(canvas)
    for index, (grid, (heading, _)) in enumerate(zip(grids, panels, strict=True)):
        left = GAP + index * (wide + 2 * GAP)
        _write(pen, (left, HEAD), heading, wide + GAP)
        canvas.paste(grid, (left, HEAD + LINE + 4))
    return canvas


def _grid(weights: Floats, zoom: int) -> Image.Image:
    """Filters in -1..1, shape (n, channels, h, w), each weight a square of `zoom` pixels."""
    if weights.shape[1] != 3:
        weights = weights.mean(1, keepdims=True).repeat(3, 1)
    pixels = np.clip(127.5 * (weights + 1), 0, 255).astype(np.uint8).transpose(0, 2, 3, 1)
    n, height, width = pixels.shape[:3]
    cell = (width * zoom, height * zoom)
    columns = min(n, COLUMNS)
    size = (columns * (cell[0] + 2) - 2, -(-n // columns) * (cell[1] + 2) - 2)
    grid = Image.new("RGB", size, "white")
    for index, one in enumerate(pixels):
        row, column = divmod(index, columns)
        corner = (column * (cell[0] + 2), row * (cell[1] + 2))
        grid.paste(Image.fromarray(one).resize(cell, Image.Resampling.NEAREST), corner)
    return grid


@dataclass(frozen=True)
class Tile:
    """A picture on a sheet.

    Attributes:
        pixels: shape (height, width, 3), of any size.
        lines: what is written below it, each line with its colour.
        frame: the colour around it; None for none.
    """

    pixels: Pixels
    lines: tuple[tuple[str, str], ...] = ()
    frame: str | None = None


def sheet(
    title: str, note: str, groups: Sequence[tuple[str, Sequence[Tile]]], columns: int = COLUMNS
) -> Image.Image:
    """Pictures in rows, as thumbnails; each group starts a row, under its heading if it has one."""
    rows = [
        (heading if first == 0 else "", tiles[first : first + columns])
        for heading, tiles in groups
        for first in range(0, len(tiles), columns)
    ]
    widest = max((len(tiles) for _, tiles in rows), default=1)
    strips = [_strip(heading, tiles) for heading, tiles in rows]
    width = max(GAP + widest * (SIDE + GAP), 520)
    canvas = Image.new("RGB", (width, HEAD + sum(strip.height for strip in strips)), "white")
    _write_head(canvas, title, note)
    top = HEAD
    for strip in strips:
        canvas.paste(strip, (GAP, top))
        top += strip.height
    return canvas


def _strip(heading: str, tiles: Sequence[Tile]) -> Image.Image:
    """A row of a sheet: its heading, its pictures, what is written below them."""
    small = [thumbnail(tile.pixels, SIDE) for tile in tiles]
    start = LINE + 4 if heading else 0
    foot = start + max(picture.height for picture in small)
    n_lines = max(len(tile.lines) for tile in tiles)
    width = max(len(tiles) * (SIDE + GAP), 520)
    strip = Image.new(
        "RGB", (width, foot + LINE * n_lines + GAP + (GAP if n_lines else 0)), "white"
    )
    pen = ImageDraw.Draw(strip)
    _write(pen, (0, 0), heading, width, bold=True)
    for column, (tile, picture) in enumerate(zip(tiles, small, strict=True)):
        left = column * (SIDE + GAP)
        # At the bottom, because the words below belong to it.
        corner = (left + (SIDE - picture.width) // 2, foot - picture.height)
        strip.paste(picture, corner)
        if tile.frame:
            opposite = (corner[0] + picture.width - 1, foot - 1)
            pen.rectangle((*corner, *opposite), outline=tile.frame, width=3)
        for index, (text, colour) in enumerate(tile.lines):
            _write(pen, (left, foot + 1 + index * LINE), text, SIDE + GAP - 2, colour=colour)
    return strip


def _write_head(canvas: Image.Image, title: str, note: str) -> None:
    pen = ImageDraw.Draw(canvas)
    _write(pen, (GAP, GAP), title, canvas.width - 2 * GAP, size=15, bold=True)
    _write(pen, (GAP, GAP + 22), note, canvas.width - 2 * GAP, colour=GREY)


def thumbnail(pixels: Pixels, side: int) -> Image.Image:
    """A picture whose longer side is `side` pixels."""
    height, width = pixels.shape[:2]
    # Of a camera's twelve million pixels, every eighth is plenty here.
    step = max(1, max(height, width) // (4 * side))
    picture = Image.fromarray(np.ascontiguousarray(pixels[::step, ::step]))
    scale = side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)


def save_sheet(picture: Image.Image, file: Path | io.BytesIO) -> None:
    """Save by the suffix of a path; else a JPEG, its colours whole for the sake of its text."""
    if isinstance(file, Path) and file.suffix.lower() not in (".jpg", ".jpeg"):
        picture.save(file)
    else:
        picture.save(file, "JPEG", quality=80, subsampling=0)


def _write(
    pen: ImageDraw.ImageDraw,
    corner: tuple[int, int],
    text: str,
    width: int,
    *,
    colour: str = BLACK,
    size: int = 12,
    bold: bool = False,
) -> None:
    """One line of text, cut to `width` pixels."""
    font = _font(size, bold)
    if font.getlength(text) > width:
        fitting: Iterator[str] = (text[:end] + "…" for end in range(len(text) - 1, 0, -1))
        text = next((part for part in fitting if font.getlength(part) <= width), "…")
    pen.text(corner, text, fill=colour, font=font)


@functools.cache
def _font(size: int, bold: bool) -> ImageFont.FreeTypeFont:
    """The font that comes with matplotlib, so that no machine lacks it."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(mpl.get_data_path()) / "fonts" / "ttf" / name, size)


def _spread(items: Iterable[int], most: int) -> list[int]:
    """At most so many of the items, evenly spread over them."""
    whole = list(items)
    if len(whole) <= most:
        return whole
    return [whole[i] for i in np.linspace(0, len(whole) - 1, most).round().astype(int)]


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.095 else f"{share:.1%}"
