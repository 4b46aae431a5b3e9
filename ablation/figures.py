"""Figures of one run: its learning curves and its confusion matrix.

Drawn through matplotlib's objects, without its global state, so that a thread beside the
training can draw them.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

#: Okabe and Ito's colours, told apart by colour-blind readers.
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#666666"


def curves(history: pd.DataFrame, best_epoch: int) -> Figure:
    """Accuracy, loss and learning rate against the epoch; `history` has a row an epoch."""
    figure = Figure(figsize=(10, 3.2), layout="constrained", dpi=110)
    axes = figure.subplots(1, 3)
    panels = (("accuracy", "Accuracy"), ("loss", "Cross-entropy"))
    for panel, (metric, title) in zip(axes, panels, strict=False):
        for split, colour, name in (("train", ORANGE, "training"), ("val", BLUE, "validation")):
            panel.plot(
                history.epoch, history[f"{split}/{metric}"], "o-", ms=3, c=colour, label=name
            )
        panel.set_title(title)
    axes[0].axvline(best_epoch, c=GREY, lw=0.8, ls=":", label="best epoch")
    axes[0].yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes[0].legend(frameon=False, fontsize=8)
    axes[2].plot(history.epoch, history.lr, "o-", ms=3, c=GREEN)
    axes[2].set_title("Learning rate")
    axes[2].set_ylim(bottom=0)
    for panel in axes:
        _bare(panel)
        panel.set_xlabel("epoch")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def confusion(predictions: pd.DataFrame, classes: Sequence[str]) -> Figure:
    """How many pictures of each class (rows) were taken for each class (columns)."""
    table = pd.crosstab(predictions.label, predictions.predicted)
    counts = table.reindex(index=list(classes), columns=list(classes), fill_value=0).to_numpy()
    n = len(classes)
    side = min(3 + 0.45 * n, 16)
    figure = Figure(figsize=(side, side), layout="constrained", dpi=110)
    panel = figure.subplots()
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    panel.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if n <= 30:
        for row, column in np.ndindex(n, n):
            if counts[row, column]:
                colour = "white" if shares[row, column] > 0.5 else "black"
                panel.text(
                    column, row, str(counts[row, column]), ha="center", va="center", c=colour
                )
    panel.set_xticks(range(n), classes, rotation=45, ha="right")
    panel.set_yticks(range(n), classes)
    panel.set_xlabel("predicted")
    panel.set_ylabel("true")
    panel.set_title(f"{np.trace(counts)} of {counts.sum()} right, best epoch", fontsize=10)
    return figure


def _bare(panel: Axes) -> None:
    panel.spines[["top", "right"]].set_visible(False)
    panel.grid(alpha=0.25, lw=0.6)
