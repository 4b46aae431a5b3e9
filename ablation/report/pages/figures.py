"""Which figures a report has, in which section, and what is written below each."""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ablation.figures.style import LIGHT
from ablation.report.claims.claim import Claim
from ablation.report.claims.findings import Findings
from ablation.report.claims.results import MOST_CURVES, Results
from ablation.report.claims.words import tuning_note
from ablation.report.evidence.cells import Cell
from ablation.report.pages import drawing
from ablation.report.pages.blocks import Figures, PageFigure
from ablation.report.pages.claim_text import claim_factors, claim_name, dagger
from ablation.report.pages.drawing import LONGEST_NAME, without_middle
from ablation.report.pages.effects import largest
from ablation.report.pages.pair_tables import pair_name

DPI = 130
MOST_DOTS = 60
MOST_HEAT_MAPS = 24
STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LIGHT,
    "grid.linewidth": 0.5,
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.w_pad": 0.08,
    "legend.frameon": False,
}


@dataclass(frozen=True)
class PlannedFigure:
    """A figure that is still to be drawn.

    Attributes:
        section: which shows it.
        name: of its file, without the suffix.
        caption: what it shows.
        draw: draws it.
    """

    section: str
    name: str
    caption: str
    draw: Callable[[], Figure]


def draw(results: Results) -> list[Figures]:
    """Draw all figures of a report: for each group of cells, its figures by section."""
    found: list[Figures] = []
    for number, group in enumerate(results.groups, 1):
        sections: dict[str, list[PageFigure]] = {}
        for planned in plan(results, group):
            name = planned.name if len(results.groups) == 1 else f"{planned.name}-{number}"
            figure = PageFigure(name, _as_png(planned), planned.caption)
            sections.setdefault(planned.section, []).append(figure)
        found.append(sections)
    return found


def _as_png(planned: PlannedFigure) -> bytes:
    buffer = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        planned.draw().savefig(buffer, dpi=DPI)
    return buffer.getvalue()


def plan(results: Results, group: Findings) -> Iterator[PlannedFigure]:
    """The figures of a group of cells that have something to show."""
    # Cells in which runs diverged have no mean that could be compared, so they are not drawn.
    if group.ranked:
        yield from _of_ranking(group)
        yield from _of_pairs(group)
        yield from _of_effects(group)
        yield from _of_curves(results, group)
        yield from _of_time(results, group)


def _of_ranking(group: Findings) -> Iterator[PlannedFigure]:
    if len(group.ranked) == 1:
        return
    beside, anchor = group.beside_anchor, group.anchor
    caption = "Mean best validation accuracy of each cell with its 95 % interval."
    line = None
    if beside:
        caption += " Filled: significantly different from the cell at the dotted line; hollow: not."
        line = next(cell.mean for cell in group.cells if cell.levels == anchor)

    def is_filled(cell: Cell) -> bool:
        return not beside or (cell.levels in beside and beside[cell.levels].is_significant)

    caption += _best_of(MOST_DOTS, group)
    make = partial(drawing.dots, group.ranked[:MOST_DOTS], group.intervals, is_filled, line)
    yield PlannedFigure("ranking", "cells", caption, make)


def _of_pairs(group: Findings) -> Iterator[PlannedFigure]:
    # One scale for all pairs, so that a small difference never looks like a large one.
    accuracies = [cell.mean for cell in group.ranked]
    limits = min(accuracies), max(accuracies)
    first = group.first_pair
    if first:
        caption = "Best validation accuracy, %."
        if len(first) > MOST_HEAT_MAPS:
            caption += f" {MOST_HEAT_MAPS} of {len(first)} combinations of the other factors."
        make = partial(drawing.heat_maps, first[:MOST_HEAT_MAPS], limits)
        yield PlannedFigure("pairs", _heat_map_name(first[0].factors), caption, make)
    for pair in group.other_pairs:
        caption = f"Best validation accuracy, %: {pair_name(pair)}."
        make = partial(drawing.heat_maps, [pair], limits)
        yield PlannedFigure("pairs", _heat_map_name(pair.factors), caption, make)


def _heat_map_name(factors: tuple[str, str]) -> str:
    return "heat-" + "-".join(factors)


def _of_effects(group: Findings) -> Iterator[PlannedFigure]:
    if group.comparison is None:
        return
    for name, claims, what in (
        ("effects", group.comparison.effects, "Effect of each level against the baseline level"),
        ("interactions", group.comparison.interactions, "Interactions of two factors"),
    ):
        if not claims:
            continue
        shown = largest(claims)
        caption = f"{what}, with 95 % interval. Filled: significant; hollow: not."
        if len(shown) < len(claims):
            caption += f" The {len(shown)} largest of {len(claims)}."
        caption = f"{caption} {dagger(shown)}".strip()
        names = [_row_name(claim) for claim in shown]
        yield PlannedFigure("effects", name, caption, partial(drawing.forest, shown, names))


def _row_name(claim: Claim) -> str:
    """What a row of a forest plot shows: on two lines where one would be too long."""
    factors, levels = without_middle(claim_factors(claim)), without_middle(claim_name(claim), 52)
    mark = " †" if tuning_note(claim) else ""
    is_short = len(factors) + len(levels) <= LONGEST_NAME
    return f"{factors}:  {levels}{mark}" if is_short else f"{factors}{mark}\n{levels}"


def _of_curves(results: Results, group: Findings) -> Iterator[PlannedFigure]:
    best = group.ranked[:MOST_CURVES]
    found = [(cell, by_epoch(results, cell)) for cell in best]
    shown = [(cell, table) for cell, table in found if table is not None]
    if not shown:
        return
    caption = "Validation accuracy by epoch; dashed: training accuracy."
    if any(len(cell.seeds) > 1 for cell, _ in shown):
        caption += " Means over the seeds; the band goes from the lowest to the highest seed."
    if len(shown) > 1:
        caption += " Grey: the other cells."
    caption += _best_of(MOST_CURVES, group)
    make = partial(drawing.curves, [cell for cell, _ in shown], [table for _, table in shown])
    yield PlannedFigure("curves", "curves", caption, make)


def by_epoch(results: Results, cell: Cell) -> pd.DataFrame | None:
    """What a cell's seeds reached, a row an epoch; None where no history can be read.

    The columns are `epoch`, `mean`, `low` and `high` of the validation accuracy over the seeds,
    and `train`, the mean training accuracy, all 0..1.
    """
    found = [results.histories[run] for run in cell.run_ids if run in results.histories]
    if not found:
        return None
    epochs = pd.concat(map(pd.DataFrame, found)).groupby("epoch")
    reached = epochs["val/accuracy"]
    train = epochs["train/accuracy"].mean() if "train/accuracy" in found[0] else np.nan
    table = {"mean": reached.mean(), "low": reached.min(), "high": reached.max(), "train": train}
    return pd.DataFrame(table).reset_index()


def _of_time(results: Results, group: Findings) -> Iterator[PlannedFigure]:
    cells = [cell for cell in group.ranked if np.isfinite(cell.seconds).all()]
    if len(group.ranked) == 1 or not cells:
        return
    caption = "Mean accuracy over the seeds against mean training time"
    if len(cells) <= drawing.MOST_BARS:
        caption += ", with 95 % intervals of the accuracy"
    caption += ". The line is the Pareto front: no other cell is both faster and more accurate."
    make = partial(drawing.accuracy_and_time, cells, group.intervals, results.runs.factors)
    yield PlannedFigure("time", "time", caption, make)


def _best_of(most: int, group: Findings) -> str:
    """What a caption adds where not all cells are shown."""
    n = len(group.ranked)
    return f" The {most} best of {n:,} cells." if n > most else ""
