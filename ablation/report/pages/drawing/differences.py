"""Differences: forest plots, estimation plots, a matrix of all pairs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from numpy.typing import NDArray

from ablation.figures.style import BLACK, BLUE, GREY, ORANGE
from ablation.report.claims.claim import CellContrast, Claim, Levels, cell_name
from ablation.report.claims.metric import Metric
from ablation.report.pages.claim_text import difference
from ablation.report.pages.drawing.marks import (
    VERDICTS,
    WIDTH,
    name_rows,
    verdict_handles,
    without_middle,
)
from ablation.report.pages.drawing.means import axis_name

#: Panels of an estimation plot that stand beside each other.
ACROSS = 5
#: So many letters of two levels' names have room beside each other.
BESIDE = 16


def forest(claims: Sequence[Claim], names: Sequence[str]) -> Figure:
    """Each claim's difference with its interval, the first at the top.

    Args:
        claims: in order.
        names: one for each claim; of one line or two.
    """
    metric, margin = claims[0].rules.metric, claims[0].rules.difference
    scale = metric.scale
    height = 0.42 if any("\n" in name for name in names) else 0.3
    figure = Figure(figsize=(WIDTH, 1.1 + height * len(claims)))
    axes = figure.subplots()
    axes.axvspan(-scale * margin, scale * margin, color=GREY, alpha=0.15, lw=0, zorder=0)
    for row, claim in enumerate(claims):
        found = claim.found
        colour, marker, is_filled = VERDICTS[claim.verdict]
        fill = colour if is_filled else "white"
        axes.plot([scale * found.low, scale * found.high], [row, row], c=colour, lw=1.8)
        axes.plot(scale * found.difference, row, marker, ms=6.5, mec=colour, mew=1.4, c=fill)
        text, right = f" {difference(claim)}", ("axes fraction", "data")
        axes.annotate(text, (1, row), xycoords=right, va="center", c=colour, fontsize=8)
    name_rows(axes, names)
    axes.axvline(0, c=BLACK, lw=0.9, zorder=0)
    axes.set_xlabel(difference_name(metric))
    same = f"the same within {metric.amount(margin)} (grey band)"
    handles = verdict_handles([claim.verdict for claim in claims], same)
    figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=8)
    return figure


def difference_name(metric: Metric) -> str:
    """Of an axis of differences."""
    if metric.is_share:
        return f"difference, points of {metric.label}"
    return f"difference in {metric.label}"


@dataclass(frozen=True)
class Arms:
    """The two sides of a difference, seed by seed.

    Attributes:
        names: of the first and the second side.
        reached: the mean score of each side in each seed, of shape (2, n_seeds).
        claim: the first minus the second.
    """

    names: tuple[str, str]
    reached: NDArray[np.float64]
    claim: Claim


def estimation(arms: Sequence[Arms]) -> Figure:
    """Above, each side's seeds; below, the paired difference of each seed and its mean.

    The layout is that of estimation plots (Ho et al. 2019, *Nature Methods* 16:565).

    Args:
        arms: at least one pair of sides, drawn side by side.
    """
    across = min(len(arms), ACROSS)
    down = -(-len(arms) // across)
    figure = Figure(figsize=(WIDTH, 3.7 * down))
    grid = GridSpec(2 * down, across, figure=figure, height_ratios=[3, 2] * down)
    for n, one in enumerate(arms):
        row, column = divmod(n, across)
        above = figure.add_subplot(grid[2 * row, column])
        below = figure.add_subplot(grid[2 * row + 1, column])
        _draw_sides(above, one)
        _draw_difference(below, one)
        if column == 0:
            metric = one.claim.rules.metric
            above.set_ylabel(axis_name(metric).removeprefix("best validation "))
            below.set_ylabel(difference_name(metric).replace("difference, ", ""))
    return figure


def _draw_sides(axes: Axes, arms: Arms) -> None:
    scale = arms.claim.rules.metric.scale
    for first, second in zip(*(scale * arms.reached), strict=True):
        axes.plot([0, 1], [first, second], c=GREY, lw=0.8, alpha=0.6)
    for x, colour in enumerate((BLUE, ORANGE)):
        reached = scale * arms.reached[x]
        axes.plot(np.full(len(reached), x), reached, "os"[x], c=colour, ms=5, mec="white", mew=0.6)
        axes.plot([x - 0.22, x + 0.22], [reached.mean()] * 2, c=colour, lw=2)
    names = [without_middle(name, 16) for name in arms.names]
    if sum(map(len, names)) > BESIDE:
        names[1] = f"\n{names[1]}"  # Below the first name, which it would overlap.
    axes.set_xticks([0, 1], names)
    axes.set_xlim(-0.5, 1.5)
    axes.grid(axis="x", visible=False)


def _draw_difference(axes: Axes, arms: Arms) -> None:
    claim = arms.claim
    scale = claim.rules.metric.scale
    colour, marker, is_filled = VERDICTS[claim.verdict]
    paired = scale * (arms.reached[0] - arms.reached[1])
    spots = np.linspace(-0.18, 0.18, len(paired)) if len(paired) > 1 else np.zeros(1)
    axes.plot(spots - 0.25, paired, "o", c=GREY, ms=4, mec="white", mew=0.5)
    found = claim.found
    axes.plot([0.3, 0.3], [scale * found.low, scale * found.high], c=colour, lw=2)
    fill = colour if is_filled else "white"
    axes.plot(0.3, scale * found.difference, marker, ms=7, mec=colour, mew=1.5, c=fill)
    axes.axhline(0, c=BLACK, lw=0.9, zorder=0)
    replicate = "fold" if found.n_folds else "seed"
    axes.set_xticks([-0.25, 0.3], [f"{replicate}s", "mean"])
    axes.set_xlim(-0.6, 0.7)
    axes.grid(axis="x", visible=False)
    axes.set_title(difference(claim), fontsize=8.5)


def matrix(
    cells: Sequence[Levels], contrasts: Mapping[tuple[Levels, Levels], CellContrast]
) -> Figure:
    """The difference of each row's cell minus each column's; bold where it is different.

    Args:
        cells: in order.
        contrasts: (row, column) → the row's cell minus the column's.
    """
    n = len(cells)
    first = next(iter(contrasts.values()))
    metric = first.rules.metric
    values = np.full((n, n), np.nan)
    for i, row in enumerate(cells):
        for j, column in enumerate(cells):
            if (row, column) in contrasts:
                values[i, j] = metric.scale * contrasts[row, column].found.difference
    most = np.nanmax(np.abs(values)) or 1.0
    side = max(0.36 * n, 2.5)
    figure = Figure(figsize=(WIDTH, min(side + 1.2, 9.5)))
    axes = figure.subplots()
    # Blue where the row is better, orange where the column is.
    colours = "PuOr_r" if metric.lower_is_better else "PuOr"
    axes.imshow(values, cmap=colours, vmin=-most, vmax=most, aspect="auto")
    for (i, j), number in np.ndenumerate(values):
        if np.isnan(number):
            continue
        verdict = contrasts[cells[i], cells[j]].verdict
        decimals = 0 if metric.is_share else 2
        rounded = round(float(number), decimals)
        text = f"{rounded:+.{decimals}f}" if rounded else "0"
        mark = {"different": text, "same": f"≈{text}", "open": text}[verdict]
        is_strong = abs(number) > 0.65 * most
        axes.text(
            j,
            i,
            mark,
            ha="center",
            va="center",
            fontsize=7,
            weight="bold" if verdict == "different" else "normal",
            c="white" if is_strong else (BLACK if verdict == "different" else GREY),
        )
    names = [without_middle(cell_name(cell), 26) for cell in cells]
    axes.set_yticks(range(n), names, fontsize=7.5)
    axes.set_xticks(range(n), names, fontsize=7.5, rotation=60, ha="right", rotation_mode="anchor")
    for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        label.set_parse_math(False)
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    return figure
