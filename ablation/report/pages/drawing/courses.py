"""Over epochs and training time: learning curves, scores against cost."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from ablation.figures.style import BLACK, BLUE, GREY, LIGHT, ORANGE, PALETTE
from ablation.report.claims.claim import Levels, cell_name
from ablation.report.claims.metric import Metric
from ablation.report.claims.statistics import MeanAccuracy
from ablation.report.evidence.cells import Cell
from ablation.report.pages.drawing.marks import WIDTH, without_middle
from ablation.report.pages.drawing.means import axis_name

MARKERS = "osD^vPX*"
#: With more cells than this, a scatter plot shows no intervals.
MOST_BARS = 24


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


def score_and_time(
    cells: Sequence[Cell],
    intervals: Mapping[Levels, MeanAccuracy],
    factors: Mapping[str, Sequence[str]],
    metric: Metric,
) -> Figure:
    """Scores against training time, with the Pareto front; colour and shape show two factors.

    Args:
        cells: all with a training time.
        intervals: a cell's levels → its mean accuracy with an interval, where it has one.
        factors: those of the cells → their levels. `transfer`, or else the first, is shown by
            colour, the next one by shape.
        metric: what is compared.
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
            bounds = [metric.scale * found.low, metric.scale * found.high]
            axes.plot([x, x], bounds, c=colour, lw=1, alpha=0.6)
        if len(cell.seeds) > 1:
            reached = np.array([cell.points.get(seed, np.nan) for seed in cell.seeds])
            axes.plot(cell.seconds, metric.scale * reached, ".", c=colour, ms=3, alpha=0.6)
        axes.plot(x, metric.scale * cell.mean, shape, c=colour, ms=7, mec="white", mew=0.8)
    _draw_front(axes, pareto_front(cells, metric), metric)
    _scale_time(axes, [mean_seconds(cell) for cell in cells])
    axes.set_ylabel(axis_name(metric))
    entries = [(f"{by_colour} {level}", "o", colour) for level, colour in colours.items()]
    entries += [(f"{by_shape} {level}", shape, GREY) for level, shape in shapes.items()]
    if entries:
        handles = [Line2D([], [], ls="", marker=m, c=c, label=text) for text, m, c in entries]
        figure.legend(handles=handles, loc="outside right upper", fontsize=8)
    return figure


def _draw_front(axes: Axes, front: Sequence[Cell], metric: Metric) -> None:
    times, reached = [mean_seconds(cell) for cell in front], [metric.scale * c.mean for c in front]
    axes.plot(times, reached, c=GREY, lw=1, zorder=0)
    axes.plot(times, reached, "o", ms=12, mec=BLACK, mew=1.1, c="none")


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


def pareto_front(cells: Sequence[Cell], metric: Metric) -> list[Cell]:
    """The cells that no other cell beats in both time and score, the fastest first."""
    front: list[Cell] = []
    for cell in sorted(cells, key=lambda cell: (mean_seconds(cell), metric.rank(cell.mean))):
        if not front or metric.better(cell.mean, front[-1].mean):
            front.append(cell)
    return front
