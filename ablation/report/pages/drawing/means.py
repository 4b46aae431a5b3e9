"""Means of cells: dots with intervals, heat maps. Every seed is a point beside its mean."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ablation.figures.style import BLACK, BLUE, GREY, LIGHT
from ablation.report.claims.claim import Levels, Verdict, cell_name
from ablation.report.claims.metric import Metric
from ablation.report.claims.pair_tables import PairTable
from ablation.report.claims.statistics import MeanAccuracy
from ablation.report.evidence.cells import Cell
from ablation.report.pages.drawing.marks import (
    VERDICTS,
    WIDTH,
    name_rows,
    verdict_handles,
    without_middle,
)
from ablation.report.pages.numbers import value
from ablation.report.pages.overview import best_validation
from ablation.report.pages.pair_tables import entry_note

#: Scores closer than this, told in points or in their own unit, get similar colours in a heat map.
LEAST_RANGE = {True: 0.05, False: 0.05}


def dots(
    cells: Sequence[Cell],
    intervals: Mapping[Levels, MeanAccuracy],
    metric: Metric,
    verdicts: Mapping[Levels, Verdict],
    line: float | None,
) -> Figure:
    """A dot with its interval for each cell, the first at the top, and a point for each seed.

    Args:
        cells: in order.
        intervals: a cell's levels → its mean with an interval, where it has one.
        metric: what is compared.
        verdicts: a cell's levels → the verdict on its difference from the cell at the line; none
            where nothing is claimed.
        line: a mean that is marked by a dotted line.
    """
    figure = Figure(figsize=(WIDTH, 1.1 + 0.25 * len(cells)))
    axes = figure.subplots()
    scale = metric.scale
    for row, cell in enumerate(cells):
        found = intervals.get(cell.levels)
        colour, marker, is_filled = VERDICTS[verdicts.get(cell.levels, "different")]
        if cell.levels not in verdicts:
            colour = BLACK if verdicts else BLUE
        if found is not None:
            axes.plot([scale * found.low, scale * found.high], [row, row], c=colour, lw=1.6)
        if len(cell.points) > 1:
            reached = scale * np.array(list(cell.points.values()))
            axes.plot(reached, np.full(len(reached), row), "|", c=BLACK, ms=9, mew=0.9, zorder=4)
        fill = colour if is_filled else "white"
        axes.plot(scale * cell.mean, row, marker, ms=6, mec=colour, mew=1.4, c=fill, zorder=3)
    if line is not None:
        axes.axvline(scale * line, c=GREY, lw=1, ls=":", zorder=0)
    name_rows(axes, [without_middle(cell_name(cell.levels)) for cell in cells])
    axes.set_xlabel(axis_name(metric))
    handles = verdict_handles(list(verdicts.values()), "the same within the difference of interest")
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=8)
    return figure


def axis_name(metric: Metric) -> str:
    """Of an axis of scores: "best validation accuracy, %"."""
    name = best_validation(metric)
    return f"{name[0].lower()}{name[1:]}{', %' if metric.is_share else ''}"


def heat_maps(tables: Sequence[PairTable], limits: tuple[float, float], metric: Metric) -> Figure:
    """A heat map of each table, of equal scale.

    Args:
        tables: of the same two factors.
        limits: the scores of the darkest and the lightest colour.
        metric: what the scores are.
    """
    n_columns = max(len(table.columns) for table in tables)
    n_rows = max(len(table.rows) for table in tables)
    width = 1.2 + 0.7 * n_columns
    across = min(len(tables), max(1, int(WIDTH // width)))
    down = -(-len(tables) // across)
    figure = Figure(figsize=(min(WIDTH, across * width), down * (0.95 + 0.36 * n_rows)))
    panels = list(figure.subplots(down, across, squeeze=False).flat)
    low, high = limits
    if high - low < LEAST_RANGE[metric.is_share]:
        half = LEAST_RANGE[metric.is_share] / 2
        low, high = (low + high) / 2 - half, (low + high) / 2 + half
    for panel, table in zip(panels, tables, strict=False):
        _draw_heat_map(panel, table, (low, high), metric)
    for panel in panels[len(tables) :]:
        panel.set_visible(False)
    return figure


def _draw_heat_map(
    panel: Axes, table: PairTable, limits: tuple[float, float], metric: Metric
) -> None:
    low, high = limits
    # The lightest colour is the best.
    colours = "cividis_r" if metric.lower_is_better else "cividis"
    values = np.full((len(table.rows), len(table.columns)), np.nan)
    for at in np.ndindex(*values.shape):
        entry = table.entries.get((table.rows[at[0]], table.columns[at[1]]))
        note = "missing" if entry is None else entry_note(entry)
        text = note.replace(" of ", "/").replace(" seeds", "")
        if entry is not None and not note:
            values[at], text = entry.mean, value(metric, entry.mean)
        lightness = (values[at] - low) / (high - low)
        is_dark = (1 - lightness if metric.lower_is_better else lightness) < 0.55
        panel.text(at[1], at[0], text, ha="center", va="center", c="white" if is_dark else BLACK)
    panel.imshow(values, cmap=colours, vmin=low, vmax=high, aspect="auto")
    panel.set_facecolor(LIGHT)
    panel.set_xticks(
        range(len(table.columns)), [without_middle(name, 14) for name in table.columns]
    )
    panel.set_yticks(range(len(table.rows)), [without_middle(name, 18) for name in table.rows])
    panel.set_ylabel(table.factors[0])
    panel.set_xlabel(table.factors[1])
    fixed = ", ".join(f"{factor} {level}" for factor, level in table.others.items())
    if fixed:
        panel.set_title(without_middle(fixed, 40))
    panel.tick_params(length=0)
    panel.grid(visible=False)
    panel.spines[:].set_visible(False)
