"""Figures of one run: curves, confusion, filters, and sheets of the pictures it was about.

Curves and tables are drawn through matplotlib's objects, without its global state, so that a
thread beside the training can draw them; sheets of many small pictures through Pillow, which
takes a hundredth of the time of as many axes.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from ablation.figures.style import BLACK, BLUE, GREEN, GREY, ORANGE, shortened

Floats = npt.NDArray[np.float32]


def curves(history: pd.DataFrame, best_epoch: int) -> Figure:
    """Accuracy, loss and learning rate against the epoch; `history` has a row an epoch."""
    figure = Figure(figsize=(10, 3.2), dpi=110)
    # A fixed layout: matplotlib's own takes as long as all else that is drawn of a run.
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
        _bare(panel)
        panel.set_xlabel("epoch")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def confusion(predictions: pd.DataFrame, classes: Sequence[str]) -> Figure:
    """How many pictures of each class (rows) were taken for each class (columns).

    The stronger the colour, the larger the share of the row: blue where right, orange where wrong.
    """
    table = pd.crosstab(predictions.label, predictions.predicted)
    counts = table.reindex(index=list(classes), columns=list(classes), fill_value=0).to_numpy()
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    n = len(classes)
    names = [shortened(name, 18) for name in classes]
    step = -(-n // 40)
    longest = max(map(len, names))
    is_slanted = longest > 3
    # In inches, so that the cells stay square whatever the names' length.
    side = min(max(0.42 * n, 2.1), 8.0)
    left, right, top = 0.5 + 0.085 * longest, 0.15, 0.35
    bottom = 0.5 + (0.06 * longest if is_slanted else 0.12)
    width, height = left + side + right, bottom + side + top
    figure = Figure(figsize=(width, height), dpi=110)
    panel = figure.add_axes((left / width, bottom / height, side / width, side / height))
    is_right = np.eye(n, dtype=bool)[..., None]
    # A single mistake among many pictures is to be seen, hence the root.
    strength = np.where(is_right, 0.9 * shares[..., None], 0.9 * np.sqrt(shares[..., None]))
    panel.imshow(1 - strength * (1 - np.where(is_right, to_rgb(BLUE), to_rgb(ORANGE))))
    if n <= 20:
        edges = np.arange(1, n) - 0.5
        panel.hlines(edges, -0.5, n - 0.5, colors="white", lw=1.5)
        panel.vlines(edges, -0.5, n - 0.5, colors="white", lw=1.5)
    panel.tick_params(length=0)
    panel.spines[:].set_visible(False)
    if n <= 20:
        for row, column in np.ndindex(n, n):
            if counts[row, column]:
                text = f"{counts[row, column]}"
                if n <= 4:
                    text += f"\n{shares[row, column]:.0%}"
                colour = "white" if strength[row, column, 0] > 0.55 else BLACK
                panel.text(column, row, text, ha="center", va="center", c=colour)
    panel.set_xticks(range(0, n, step), names[::step])
    panel.set_yticks(range(0, n, step), names[::step])
    if is_slanted:
        for label in panel.get_xticklabels():
            label.set(rotation=45, ha="right", rotation_mode="anchor")
    # A class may be called "$5", which is no formula.
    for label in (*panel.get_xticklabels(), *panel.get_yticklabels()):
        label.set_parse_math(False)
    panel.set_xlabel("predicted")
    panel.set_ylabel("true")
    n_right, total = int(np.trace(counts)), int(counts.sum())
    title = f"{n_right} of {total} right ({n_right / max(total, 1):.1%})"
    panel.set_title(title, fontsize=11)
    return figure


def _bare(panel: Axes) -> None:
    panel.spines[["top", "right"]].set_visible(False)
    panel.grid(alpha=0.25, lw=0.6)
