"""The plots of one run: its learning curves and its confusion matrix, see `panel`."""

import functools
import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.colors import to_rgb
from PIL import Image, ImageDraw

from ablation.figures.canvas import GAP, Font, draw_text, letters
from ablation.figures.panel import LABEL, SCALE, TITLE, Panel, around, blank, ticks
from ablation.figures.style import BLACK, BLUE, GREEN, GREY, ORANGE, shortened

#: The most classes whose cells in a confusion matrix have numbers, and shares too.
MOST_NUMBERS, MOST_SHARES = 20, 4
#: The most class names along a side of a confusion matrix.
MOST_NAMES = 40
#: In pixels: the learning curves and their left margin, the side of a cell, and of all cells.
WIDTH, HEIGHT, LEFT, CELL, LEAST, MOST = 1100, 350, 60, 46, 230, 880

#: In pixels: longer names are slanted, and stand below the columns.
ROOM = CELL - GAP

#: The names of the lines.
NAME = Font(BLACK, LABEL.size)

_CURVES = ((ORANGE, "training"), (BLUE, "validation"))


def curves(history: Mapping[str, Sequence[float]] | pd.DataFrame, best_epoch: int) -> Image.Image:
    """Accuracy, loss and learning rate against the epoch.

    Args:
        history: of each epoch, by their names: epoch, lr, and accuracy and loss of train and val.
        best_epoch: is marked.
    """
    large, rough = blank(WIDTH, HEIGHT)
    columns = {
        "Accuracy": ("train/accuracy", "val/accuracy"),
        "Cross-entropy": ("train/loss", "val/loss"),
        "Learning rate": ("lr",),
    }
    width, foot = 296, HEIGHT - 72
    epochs = [float(epoch) for epoch in history["epoch"]]
    drawn = []
    for at, (title, names) in enumerate(columns.items()):
        lines = [[float(value) for value in history[name]] for name in names]
        left = LEFT + at * (width + 62)
        spans = around(epochs), around(list(itertools.chain(*lines)), from_zero=at > 0)
        panel = Panel((left, 40, left + width, foot), *spans)
        xs, ys = ticks(panel.x, 6, are_whole=True), ticks(panel.y, 5)
        panel.draw_frame(rough, xs, ys)
        if at < 2:
            panel.draw_marker(rough, best_epoch)
        for values, (colour, _) in zip(lines, _CURVES if at < 2 else ((GREEN, ""),), strict=True):
            panel.draw_line(rough, epochs, values, colour)
        drawn.append((panel, title, xs, ys))
    figure = large.reduce(SCALE)
    pen = ImageDraw.Draw(figure)
    for panel, title, xs, ys in drawn:
        as_text = "{:.0%}" if title == "Accuracy" else "{:g}"
        labels = [(y, as_text.format(round(y, 10))) for y in ys]
        panel.write(pen, title, [(x, f"{x:g}") for x in xs], labels)
        middle = (panel.box[0] + panel.box[2]) / 2
        draw_text(pen, (middle, foot + 38), "epoch", LABEL, "ms")
    _write_legend(pen)
    return figure


def _write_legend(pen: ImageDraw.ImageDraw) -> None:
    """What the lines are, in a row below the panels."""
    left, middle = LEFT, HEIGHT - 14
    for colour, name in (*_CURVES, (GREY, "best epoch")):
        pen.line((left, middle, left + 20, middle), fill=colour, width=2)
        draw_text(pen, (left + 27, middle), name, NAME, "lm")
        left += 120


def confusion(predictions: pd.DataFrame, classes: Sequence[str]) -> Image.Image:
    """How many pictures of each class (rows) were predicted to be of each class (columns).

    The stronger the colour, the larger the share of the row: blue where right, orange where wrong.

    Args:
        predictions: a row a picture, with the columns label and predicted: names of classes.
        classes: all names of classes, in the order of rows and columns.
    """
    at = pd.Index(list(classes))
    rows, columns = (at.get_indexer(pd.Index(predictions[of])) for of in ("label", "predicted"))
    n = len(classes)
    counts = np.bincount(n * rows + columns, minlength=n * n).reshape(n, n)
    cells = _cells(counts)
    names = [shortened(name, 18) for name in classes]
    labels = [_label(name) for name in names]
    longest = max(label.width for label in labels)
    left, top = longest + 40, 40
    below = (LABEL.size if longest <= ROOM else round(0.75 * longest) + 12) + 34
    size = (max(left + cells.width + 30, 300), top + cells.height + below)
    figure = Image.new("RGB", size, "white")
    figure.paste(cells, (left, top))
    _name_cells(figure, labels, (left, top, left + cells.width, top + cells.height))
    pen = ImageDraw.Draw(figure)
    n_right, total = int(np.trace(counts)), int(counts.sum())
    title = f"{n_right} of {total} right ({n_right / max(total, 1):.1%})"
    across = left + cells.width / 2
    draw_text(pen, (across, top - 12), title, TITLE, "ms")
    draw_text(pen, (across, figure.height - GAP), "predicted", LABEL, "ms")
    upwards = _label("true", GREY).transpose(Image.Transpose.ROTATE_90)
    figure.paste(upwards, (GAP, top + cells.height // 2 - upwards.height // 2))
    return figure


def _name_cells(
    figure: Image.Image, labels: Sequence[Image.Image], box: tuple[int, int, int, int]
) -> None:
    """Write the names of the classes beside rows and columns; of many classes, of some.

    Args:
        figure: with the cells.
        labels: the names as images.
        box: left, top, right and bottom of the cells.
    """
    left, top, right, bottom = box
    side, step = (right - left) / len(labels), -(-len(labels) // MOST_NAMES)
    are_slanted = max(label.width for label in labels) > ROOM
    for at in range(0, len(labels), step):
        label, middle = labels[at], round((at + 0.5) * side)
        figure.paste(label, (left - 6 - label.width, top + middle - label.height // 2))
        across, foot = left + middle, bottom + 6
        if not are_slanted:
            figure.paste(label, (across - label.width // 2, foot))
            continue
        turned = label.rotate(45, Image.Resampling.BICUBIC, expand=True, fillcolor="white")
        shape = Image.new("L", label.size, 255).rotate(45, expand=True)
        # The end of the name is below the middle of its column.
        figure.paste(turned, (across - turned.width + label.height // 2, foot), shape)


@functools.lru_cache(maxsize=512)
def _label(text: str, colour: str = BLACK) -> Image.Image:
    """One line of text as an image, which is not to be changed."""
    own = letters(LABEL)
    label = Image.new("RGB", (max(1, round(own.getlength(text))), 16), "white")
    ImageDraw.Draw(label).text((0, 8), text, colour, own, anchor="lm")
    return label


def _cells(counts: npt.NDArray[np.int64]) -> Image.Image:
    """The cells of a confusion matrix, with numbers in them where there are few.

    Args:
        counts: shape (n_classes, n_classes).
    """
    n = len(counts)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    is_right = np.eye(n, dtype=bool)
    # The root makes a single mistake among many pictures visible.
    strength = np.where(is_right, 0.9 * shares, 0.9 * np.sqrt(shares))
    colours = np.where(is_right[..., None], to_rgb(BLUE), to_rgb(ORANGE))
    pixels = (255 * (1 - strength[..., None] * (1 - colours))).round().astype(np.uint8)
    side = min(max(CELL * n, LEAST), MOST) / n
    whole = round(side * n)
    cells = Image.fromarray(pixels).resize((whole, whole), Image.Resampling.NEAREST)
    if n > MOST_NUMBERS:
        return cells
    pen = ImageDraw.Draw(cells)
    for at in range(1, n):
        edge = round(at * side)
        pen.line((edge, 0, edge, whole), fill="white", width=2)
        pen.line((0, edge, whole, edge), fill="white", width=2)
    for row, column in np.argwhere(counts).tolist():
        text = f"{counts[row, column]}"
        if n <= MOST_SHARES:
            text += f"\n{shares[row, column]:.0%}"
        colour = "white" if strength[row, column] > 0.55 else BLACK
        place = ((column + 0.5) * side, (row + 0.5) * side)
        draw_text(pen, place, text, Font(colour, 13), "mm")
    return cells
