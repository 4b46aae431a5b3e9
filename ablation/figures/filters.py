"""Draws the filters of a first convolution before and after training."""

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from ablation.figures.canvas import GAP, HEAD, LINE, percent, write, write_head

Floats = npt.NDArray[np.float32]

#: Filters in a row.
COLUMNS = 8


def filter_sheet(before: Floats, after: Floats, most: int = 64) -> Image.Image:
    """The filters before and after training, and their difference where there is one.

    Args:
        before, after: shape (n_filters, n_channels, height, width); three channels are shown as
            colours, any other number by its mean.
        most: how many filters are shown.
    """
    n, _, height, width = before.shape
    panels = _panels(before[:most], after[:most])
    grids = [_grid(weights, zoom=max(1, 36 // max(height, width))) for _, weights in panels]
    wide = max(grids[0].width, 230)
    size = (len(grids) * (wide + 2 * GAP), HEAD + LINE + 4 + grids[0].height + GAP)
    canvas = Image.new("RGB", size, "white")
    note = "grey is 0" + (f"; the first {most} are shown" if most < n else "")
    write_head(canvas, f"First convolution: {n} filters of {height} × {width}", note)
    pen = ImageDraw.Draw(canvas)
    for index, (grid, (heading, _)) in enumerate(zip(grids, panels, strict=True)):
        left = GAP + index * (wide + 2 * GAP)
        write(pen, (left, HEAD), heading, wide + GAP)
        canvas.paste(grid, (left, HEAD + LINE + 4))
    return canvas


def _panels(before: Floats, after: Floats) -> list[tuple[str, Floats]]:
    """A heading and filters scaled to about -1..1, for each grid of filters."""
    change = after - before
    # Not the largest weight: a single outlier would make all others look grey.
    scale = float(np.quantile(np.abs([before, after]), 0.99)) or 1.0
    panels = [("before training", before / scale)]
    if not change.any():
        return [*panels, ("after training: unchanged", after / scale)]
    limit = float(np.quantile(np.abs(change), 0.99)) or float(np.abs(change).max())
    share = float(np.linalg.norm(change)) / (float(np.linalg.norm(before)) or 1.0)
    heading = f"changed by {percent(share)}, shown × {max(1, round(scale / limit))}"
    return [*panels, ("after training", after / scale), (heading, change / limit)]


def _grid(weights: Floats, zoom: int) -> Image.Image:
    """A grid of filters; each weight is a square of `zoom` × `zoom` pixels.

    Args:
        weights: shape (n_filters, n_channels, height, width), in about -1..1.
        zoom: in pixels.
    """
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
