"""The plots of one run: its learning curves and its confusion matrix.

They are drawn through matplotlib's objects, not through pyplot's global state, so that a thread
beside the training can draw them.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from ablation.figures.style import BLACK, BLUE, GREEN, GREY, ORANGE, shortened, simplify

#: The most classes whose cells in a confusion matrix have numbers, and shares too.
MOST_NUMBERS, MOST_SHARES = 20, 4
#: The most class names along a side of a confusion matrix.
MOST_NAMES = 40


def curves(history: pd.DataFrame, best_epoch: int) -> Figure:
    """Accuracy, loss and learning rate against the epoch.

    Args:
        history: a row an epoch, with the columns epoch, lr, and accuracy and loss of train and val.
        best_epoch: is marked.
    """
    figure = Figure(figsize=(10, 3.2), dpi=110)
    # Fixed margins: matplotlib's layout engines take as long as all the rest of a run's figures.
    figure.subplots_adjust(left=0.055, right=0.985, top=0.9, bottom=0.16, wspace=0.24)
    axes = figure.subplots(1, 3)
    panels = (("accuracy", "Accuracy"), ("loss", "Cross-entropy"))
    for panel, (metric, title) in zip(axes, panels, strict=False):
        for split, colour, name in (("train", ORANGE, "training"), ("val", BLUE, "validation")):
            panel.plot(
                history.epoch, history[f"{split}/{metric}"], "o-", ms=3, c=colour, label=name
            )
        panel.axvline(best_epoch, c=GREY, lw=0.8, ls=":", label="best epoch")
        panel.set_title(title)
    axes[0].yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes[1].set_ylim(bottom=0)
    axes[1].legend(frameon=False, fontsize=8)
    axes[2].plot(history.epoch, history.lr, "o-", ms=3, c=GREEN)
    axes[2].set_title("Learning rate")
    axes[2].set_ylim(bottom=0)
    axes[2].ticklabel_format(axis="y", style="sci", scilimits=(-2, 2))
    for panel in axes:
        simplify(panel)
        panel.set_xlabel("epoch")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def confusion(predictions: pd.DataFrame, classes: Sequence[str]) -> Figure:
    """How many pictures of each class (rows) were predicted to be of each class (columns).

    The stronger the colour, the larger the share of the row: blue where right, orange where wrong.

    Args:
        predictions: a row a picture, with the columns label and predicted: names of classes.
        classes: all names of classes, in the order of rows and columns.
    """
    table = pd.crosstab(predictions.label, predictions.predicted)
    counts = table.reindex(index=list(classes), columns=list(classes), fill_value=0).to_numpy()
    names = [shortened(name, 18) for name in classes]
    figure, panel = _square_panel(names)
    _draw_cells(panel, counts)
    _name_cells(panel, names)
    n_right, total = int(np.trace(counts)), int(counts.sum())
    title = f"{n_right} of {total} right ({n_right / max(total, 1):.1%})"
    panel.set_title(title, fontsize=11)
    return figure


def _square_panel(names: Sequence[str]) -> tuple[Figure, Axes]:
    """A figure with one square panel, and room for the names of the classes beside it."""
    longest = max(map(len, names))
    # In inches.
    side = min(max(0.42 * len(names), 2.1), 8.0)
    left, right, top = 0.5 + 0.085 * longest, 0.15, 0.35
    bottom = 0.5 + (0.06 * longest if _are_slanted(names) else 0.12)
    width, height = left + side + right, bottom + side + top
    figure = Figure(figsize=(width, height), dpi=110)
    place = (left / width, bottom / height, side / width, side / height)
    return figure, figure.add_axes(place)


def _draw_cells(panel: Axes, counts: npt.NDArray[np.int64]) -> None:
    """The cells of a confusion matrix, with numbers in them where there are few.

    Args:
        panel: where to draw.
        counts: shape (n_classes, n_classes).
    """
    n = len(counts)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    is_right = np.eye(n, dtype=bool)
    # The root makes a single mistake among many pictures visible.
    strength = np.where(is_right, 0.9 * shares, 0.9 * np.sqrt(shares))
    colours = np.where(is_right[..., None], to_rgb(BLUE), to_rgb(ORANGE))
    panel.imshow(1 - strength[..., None] * (1 - colours))
    if n > MOST_NUMBERS:
        return
    edges = np.arange(1, n) - 0.5
    panel.hlines(edges, -0.5, n - 0.5, colors="white", lw=1.5)
    panel.vlines(edges, -0.5, n - 0.5, colors="white", lw=1.5)
    for row, column in np.argwhere(counts):
        text = f"{counts[row, column]}"
        if n <= MOST_SHARES:
            text += f"\n{shares[row, column]:.0%}"
        colour = "white" if strength[row, column] > 0.55 else BLACK
        panel.text(column, row, text, ha="center", va="center", c=colour)


def _name_cells(panel: Axes, names: Sequence[str]) -> None:
    """The names of the classes beside rows and columns; of many classes, of some."""
    step = -(-len(names) // MOST_NAMES)
    panel.tick_params(length=0)
    panel.spines[:].set_visible(False)
    panel.set_xticks(range(0, len(names), step), names[::step])
    panel.set_yticks(range(0, len(names), step), names[::step])
    if _are_slanted(names):
        for label in panel.get_xticklabels():
            label.set(rotation=45, ha="right", rotation_mode="anchor")
    # A class may be called "$5", which matplotlib would read as a formula.
    for label in (*panel.get_xticklabels(), *panel.get_yticklabels()):
        label.set_parse_math(False)
    panel.set_xlabel("predicted")
    panel.set_ylabel("true")


def _are_slanted(names: Sequence[str]) -> bool:
    """Whether names are too long to stand side by side below the columns."""
    return max(map(len, names)) > 3
