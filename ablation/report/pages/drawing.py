"""How the figures of a report are drawn: dots, heat maps, forest plots, curves, a scatter plot.

Matplotlib's objects are used directly, without its global state. Whatever differs in colour differs
in shape or place too.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from ablation.figures.style import BLACK, BLUE, GREY, LIGHT, ORANGE, PALETTE
from ablation.report.claims.claim import Claim, Levels, cell_name
from ablation.report.claims.pair_tables import PairTable
from ablation.report.claims.statistics import MeanAccuracy
from ablation.report.evidence.cells import Cell
from ablation.report.pages.claim_text import difference
from ablation.report.pages.numbers import percent
from ablation.report.pages.pair_tables import entry_note

MARKERS = "osD^vPX*"
#: Inches: all figures have one width, as they stand below one another on the page.
WIDTH = 8.0
#: With more cells than this, a scatter plot shows no intervals.
MOST_BARS = 24
#: Characters of a row's name beside a figure.
LONGEST_NAME = 44
#: Accuracies closer than this, as a fraction, get similar colours in a heat map.
LEAST_RANGE = 0.05


def dots(
    cells: Sequence[Cell],
    intervals: Mapping[Levels, MeanAccuracy],
    filled: Callable[[Cell], bool],
    line: float | None,
) -> Figure:
    """A dot with its interval for each cell, the first at the top.

    Args:
        cells: in order.
        intervals: a cell's levels → its mean accuracy with an interval, where it has one.
        filled: whether a cell's dot is filled, not hollow.
        line: an accuracy, 0..1, that is marked by a dotted line.
    """
    figure = Figure(figsize=(WIDTH, 0.9 + 0.23 * len(cells)))
    axes = figure.subplots()
    for row, cell in enumerate(cells):
        found = intervals.get(cell.levels)
        if found is not None:
            axes.plot([100 * found.low, 100 * found.high], [row, row], c=BLUE, lw=1.6, alpha=0.8)
        fill = BLUE if filled(cell) else "white"
        axes.plot(100 * cell.mean, row, "o", ms=6, mec=BLUE, mew=1.4, c=fill)
    if line is not None:
        axes.axvline(100 * line, c=GREY, lw=1, ls=":", zorder=0)
    _name_rows(axes, [without_middle(cell_name(cell.levels)) for cell in cells])
    axes.set_xlabel("best validation accuracy, %")
    return figure


def heat_maps(tables: Sequence[PairTable], limits: tuple[float, float]) -> Figure:
    """A heat map of each table, of equal scale.

    Args:
        tables: of the same two factors.
        limits: the accuracies, 0..1, of the darkest and the lightest colour.
    """
    n_columns = max(len(table.columns) for table in tables)
    n_rows = max(len(table.rows) for table in tables)
    width = 1.2 + 0.7 * n_columns
    across = min(len(tables), max(1, int(WIDTH // width)))
    down = -(-len(tables) // across)
    figure = Figure(figsize=(min(WIDTH, across * width), down * (0.95 + 0.36 * n_rows)))
    panels = list(figure.subplots(down, across, squeeze=False).flat)
    low, high = limits
    if high - low < LEAST_RANGE:
        low, high = (low + high - LEAST_RANGE) / 2, (low + high + LEAST_RANGE) / 2
    for panel, table in zip(panels, tables, strict=False):
        _draw_heat_map(panel, table, (low, high))
    for panel in panels[len(tables) :]:
        panel.set_visible(False)
    return figure


def _draw_heat_map(panel: Axes, table: PairTable, limits: tuple[float, float]) -> None:
    low, high = limits
    values = np.full((len(table.rows), len(table.columns)), np.nan)
    for at in np.ndindex(*values.shape):
        entry = table.entries.get((table.rows[at[0]], table.columns[at[1]]))
        note = "missing" if entry is None else entry_note(entry)
        text = note.replace(" of ", "/").replace(" seeds", "")
        if entry is not None and not note:
            values[at], text = entry.mean, percent(entry.mean)
        is_dark = (values[at] - low) / (high - low) < 0.55
        colour = "white" if is_dark else BLACK
        panel.text(at[1], at[0], text, ha="center", va="center", c=colour)
    panel.imshow(values, cmap="cividis", vmin=low, vmax=high, aspect="auto")
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


def forest(claims: Sequence[Claim], names: Sequence[str]) -> Figure:
    """Each claim's difference with its interval, the first at the top; filled where significant.

    Args:
        claims: in order.
        names: one for each claim; of one line or two.
    """
    height = 0.42 if any("\n" in name for name in names) else 0.3
    figure = Figure(figsize=(WIDTH, 0.9 + height * len(claims)))
    axes = figure.subplots()
    for row, claim in enumerate(claims):
        found = claim.found
        colour, fill = (BLUE, BLUE) if claim.is_significant else (GREY, "white")
        axes.plot([100 * found.low, 100 * found.high], [row, row], c=colour, lw=1.8)
        axes.plot(100 * found.difference, row, "o", ms=6.5, mec=colour, mew=1.4, c=fill)
        text, right = f" {difference(claim)}", ("axes fraction", "data")
        axes.annotate(text, (1, row), xycoords=right, va="center", c=colour, fontsize=8)
    _name_rows(axes, names)
    axes.axvline(0, c=BLACK, lw=0.9, zorder=0)
    axes.set_xlabel("difference, points of accuracy")
    return figure


def _name_rows(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)


def curves(cells: Sequence[Cell], by_epoch: Sequence[pd.DataFrame]) -> Figure:
    """A panel for each cell, the other cells behind it in grey.

    Args:
        cells: in order.
        by_epoch: for each cell, what its seeds reached: `epoch`, the `mean`, `low` and `high` of
            their validation accuracy and the mean training accuracy, `train`; all 0..1.
    """
    n = len(cells)
    across = min(n, 2 if n in (2, 4) else 3)
    down = -(-n // across)
    figure = Figure(figsize=(WIDTH, 0.4 + 2.0 * down))
    panels = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True)
    for panel, cell, found in zip(panels.flat, cells, by_epoch, strict=False):
        for other in by_epoch:
            panel.plot(other.epoch, 100 * other["mean"], c=LIGHT, lw=1, zorder=1)
        _draw_curve(panel, found, has_band=len(cell.seeds) > 1)
        panel.set_title(without_middle(cell_name(cell.levels), 34))
    for panel in panels.flat[n:]:
        panel.set_visible(False)
    for panel in panels[:, 0]:
        panel.set_ylabel("accuracy, %")
    for column in range(across):
        # The lowest panel of a column that is shown has the axis.
        lowest = panels[max(row for row in range(down) if row * across + column < n), column]
        lowest.set_xlabel("epoch")
        lowest.tick_params(labelbottom=True)
    return figure


def _draw_curve(panel: Axes, found: pd.DataFrame, has_band: bool) -> None:
    if has_band:
        panel.fill_between(
            found.epoch, 100 * found.low, 100 * found.high, color=BLUE, alpha=0.25, lw=0
        )
    marker = "o" if len(found) < 15 else ""
    panel.plot(found.epoch, 100 * found["mean"], c=BLUE, lw=1.8, marker=marker, ms=3)
    panel.plot(found.epoch, 100 * found.train, c=ORANGE, lw=1.2, ls="--")
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))


def accuracy_and_time(
    cells: Sequence[Cell],
    intervals: Mapping[Levels, MeanAccuracy],
    factors: Mapping[str, Sequence[str]],
) -> Figure:
    """Accuracy against training time, with the Pareto front; colour and shape show two factors.

    Args:
        cells: all with a training time.
        intervals: a cell's levels → its mean accuracy with an interval, where it has one.
        factors: those of the cells → their levels. `transfer`, or else the first, is shown by
            colour, the next one by shape.
    """
    figure = Figure(figsize=(WIDTH, 3.8))
    axes = figure.subplots()
    by_colour, by_shape = _two_factors(list(factors))
    colours = _styles(cells, factors, by_colour, PALETTE)
    shapes = _styles(cells, factors, by_shape, MARKERS)
    for cell in cells:
        level_of = dict(zip(factors, cell.levels, strict=True))
        colour = colours.get(level_of.get(by_colour, ""), BLUE)
        shape = shapes.get(level_of.get(by_shape, ""), "o")
        x, found = mean_seconds(cell), intervals.get(cell.levels)
        if found is not None and len(cells) <= MOST_BARS:
            axes.plot([x, x], [100 * found.low, 100 * found.high], c=colour, lw=1, alpha=0.6)
        axes.plot(x, 100 * cell.mean, shape, c=colour, ms=7, mec="white", mew=0.8)
    front = pareto_front(cells)
    reached = [100 * cell.mean for cell in front]
    axes.plot([mean_seconds(cell) for cell in front], reached, c=GREY, lw=1, zorder=0)
    _scale_time(axes, [mean_seconds(cell) for cell in cells])
    axes.set_ylabel("best validation accuracy, %")
    entries = [(f"{by_colour} {level}", "o", colour) for level, colour in colours.items()]
    entries += [(f"{by_shape} {level}", shape, GREY) for level, shape in shapes.items()]
    if entries:
        handles = [Line2D([], [], ls="", marker=m, c=c, label=text) for text, m, c in entries]
        figure.legend(handles=handles, loc="outside right upper", fontsize=8)
    return figure


def _two_factors(factors: Sequence[str]) -> tuple[str, str]:
    """The factors shown by colour and by shape; empty names where there are fewer."""
    first, second, *_ = [*sorted(factors, key=lambda factor: factor != "transfer"), "", ""]
    return first, second


def _styles(
    cells: Sequence[Cell], factors: Mapping[str, Sequence[str]], factor: str, styles: Sequence[str]
) -> dict[str, str]:
    """A style for each level of a factor that has cells; they repeat where there are too few."""
    if not factor:
        return {}
    present = {cell.levels[list(factors).index(factor)] for cell in cells}
    levels = [level for level in factors[factor] if level in present]
    return {level: styles[n % len(styles)] for n, level in enumerate(levels)}


def _scale_time(axes: Axes, seconds: Sequence[float]) -> None:
    """A logarithmic axis where the times differ much, else one that starts at 0."""
    if max(seconds) > 20 * max(min(seconds), 1e-9):
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    else:
        axes.set_xlim(left=0, right=1.12 * max(seconds))
    axes.set_xlabel("mean training time of a run, s")


def mean_seconds(cell: Cell) -> float:
    """A cell's mean training time over the seeds, s."""
    return float(cell.seconds.mean())


def pareto_front(cells: Sequence[Cell]) -> list[Cell]:
    """The cells that no other cell beats in both time and accuracy, the fastest first."""
    front: list[Cell] = []
    for cell in sorted(cells, key=lambda cell: (mean_seconds(cell), -cell.mean)):
        if not front or cell.mean > front[-1].mean:
            front.append(cell)
    return front


def without_middle(text: str, longest: int = LONGEST_NAME) -> str:
    """A text of at most `longest` characters: the middle of a longer one is left out."""
    if len(text) <= longest:
        return text
    half = (longest - 1) // 2
    return f"{text[:half]}…{text[-half:]}"
