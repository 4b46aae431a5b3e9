"""Which figures a report has, in which section, and what is written below each."""

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from ablation.figures.style import LIGHT
from ablation.report.claims.claim import CellContrast, Claim, cell_name
from ablation.report.claims.findings import Findings
from ablation.report.claims.results import MOST_CURVES, Results
from ablation.report.claims.words import tuning_note
from ablation.report.evidence.cells import Cell
from ablation.report.pages.blocks import Figures, PageFigure, Table
from ablation.report.pages.claim_text import (
    claim_factors,
    claim_name,
    dagger,
    difference,
    verdict,
)
from ablation.report.pages.drawing import courses, differences, means
from ablation.report.pages.drawing.marks import LONGEST_NAME, without_middle
from ablation.report.pages.drawing.means import axis_name
from ablation.report.pages.effects import largest
from ablation.report.pages.flips import MOST_EFFECTS, flips_sheet, sheet_name
from ablation.report.pages.numbers import listed, p_value, value
from ablation.report.pages.overview import best_validation
from ablation.report.pages.pair_tables import pair_name

DPI = 130
MOST_DOTS = 60
MOST_HEAT_MAPS = 24
MOST_PANELS = 10
#: Cells of the Pareto front that are named.
MOST_NAMED = 6
MOST_SEEDS = 20
#: Cells in a matrix of all pairs, which fewer cells than these need not.
MOST_IN_MATRIX, LEAST_FOR_MATRIX = 24, 6
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
        numbers: that it shows, as a table.
    """

    section: str
    name: str
    caption: str
    draw: Callable[[], Figure | Image.Image]
    numbers: Table | None = None


def draw(results: Results) -> list[Figures]:
    """Draw all figures of a report: for each group of cells, its figures by section."""
    found: list[Figures] = []
    for number, group in enumerate(results.groups, 1):
        sections: dict[str, list[PageFigure]] = {}
        for planned in plan(results, group):
            name = planned.name if len(results.groups) == 1 else f"{planned.name}-{number}"
            figure = PageFigure(name, _as_png(planned), planned.caption, planned.numbers)
            sections.setdefault(planned.section, []).append(figure)
        found.append(sections)
    return found


def _as_png(planned: PlannedFigure) -> bytes:
    buffer = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        drawn = planned.draw()
        if isinstance(drawn, Figure):
            drawn.savefig(buffer, dpi=DPI)
        else:
            drawn.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def plan(results: Results, group: Findings) -> Iterator[PlannedFigure]:
    """The figures of a group of cells that have something to show."""
    # Cells in which runs diverged have no mean that could be compared, so they are not drawn.
    if group.ranked:
        yield from _of_ranking(group)
        yield from _of_pairs(group)
        yield from _of_effects(group)
        yield from _of_flips(results, group)
        yield from _of_curves(results, group)
        yield from _of_time(results, group)


def _of_ranking(group: Findings) -> Iterator[PlannedFigure]:
    if len(group.ranked) == 1:
        return
    beside, anchor, metric = group.beside_anchor, group.anchor, group.metric
    caption = f"Mean {best_validation(metric).lower()} of each cell with its 95 % interval."
    if any(len(cell.seeds) > 1 for cell in group.ranked):
        caption += f" Strokes: the {group.replicate}s."
    line = None
    if beside:
        caption += " Colour and shape: the verdict on its difference from the cell at the line."
        line = next(cell.mean for cell in group.cells if cell.levels == anchor)
    caption += _best_of(MOST_DOTS, group)
    shown = group.ranked[:MOST_DOTS]
    verdicts = {levels: claim.verdict for levels, claim in beside.items()}
    make = partial(means.dots, shown, group.intervals, metric, verdicts, line)
    yield PlannedFigure("ranking", "cells", caption, make, _numbers_of_cells(shown, group))
    if len(group.ranked) > LEAST_FOR_MATRIX and group.comparison is not None:
        yield from _matrix(group)


def _numbers_of_cells(cells: Sequence[Cell], group: Findings) -> Table:
    """What each seed of each cell reached."""
    seeds = sorted({seed for cell in cells for seed in cell.points})[:MOST_SEEDS]
    rows = []
    for cell in cells:
        texts = (value(group.metric, cell.points.get(seed, np.nan)) for seed in seeds)
        rows.append((cell_name(cell.levels), value(group.metric, cell.mean), *texts))
    header = ("cell", f"mean {group.metric.header}", *(f"{group.replicate} {n}" for n in seeds))
    return Table(header, tuple(rows), "l" + "r" * (1 + len(seeds)))


def _matrix(group: Findings) -> Iterator[PlannedFigure]:
    """All pairs of the best cells, where all were compared."""
    assert group.comparison is not None
    cells = [cell.levels for cell in group.ranked[:MOST_IN_MATRIX]]
    contrasts = {}
    for claim in group.comparison.contrasts:
        contrasts[claim.a, claim.b] = claim
        contrasts[claim.b, claim.a] = claim.reversed()
    contrasts = {(a, b): contrasts[a, b] for a in cells for b in cells if (a, b) in contrasts}
    if len(contrasts) != len(cells) * (len(cells) - 1):
        return
    unit = "points" if group.metric.is_share else group.metric.label
    caption = (
        f"Each row's cell minus each column's, {unit}. Bold: different; ≈: the same within the "
        f"difference of interest; grey: open.{_best_of(MOST_IN_MATRIX, group)}"
    )
    yield PlannedFigure("ranking", "matrix", caption, partial(differences.matrix, cells, contrasts))


def _of_pairs(group: Findings) -> Iterator[PlannedFigure]:
    # One scale for all pairs, so that a small difference never looks like a large one.
    reached = [cell.mean for cell in group.ranked]
    limits = min(reached), max(reached)
    first, name = group.first_pair, axis_name(group.metric)
    start = f"{name[0].upper()}{name[1:]}"
    if first:
        caption = f"{start}."
        if len(first) > MOST_HEAT_MAPS:
            caption += f" {MOST_HEAT_MAPS} of {len(first)} combinations of the other factors."
        make = partial(means.heat_maps, first[:MOST_HEAT_MAPS], limits, group.metric)
        yield PlannedFigure("pairs", _heat_map_name(first[0].factors), caption, make)
    for pair in group.other_pairs:
        caption = f"{start}: {pair_name(pair)}."
        make = partial(means.heat_maps, [pair], limits, group.metric)
        yield PlannedFigure("pairs", _heat_map_name(pair.factors), caption, make)


def _heat_map_name(factors: tuple[str, str]) -> str:
    return "heat-" + "-".join(factors)


def _of_effects(group: Findings) -> Iterator[PlannedFigure]:
    if group.comparison is None:
        return
    yield from _estimation(group)
    for name, claims, what in (
        ("effects", group.comparison.effects, "Effect of each level against the baseline level"),
        ("interactions", group.comparison.interactions, "Interactions of two factors"),
        ("pairs", _main_contrasts(group), "Pairs of cells that are alike in all factors but one"),
    ):
        if not claims:
            continue
        shown = largest(claims)
        caption = f"{what}, with its interval. Colour and shape: the verdict."
        if len(shown) < len(claims):
            caption += f" The {len(shown)} largest of {len(claims)}."
        caption = f"{caption} {dagger(shown)}".strip()
        names = [_row_name(claim) for claim in shown]
        draw = partial(differences.forest, shown, names)
        yield PlannedFigure("effects", name, caption, draw, _numbers_of_claims(shown))


def _main_contrasts(group: Findings) -> list[CellContrast]:
    """Pairs of cells that are alike in all factors but one, in studies with several factors."""
    if group.comparison is None or len(group.compared) < 2:
        return []
    return [
        claim
        for claim in group.comparison.contrasts
        if sum(one != other for one, other in zip(claim.a, claim.b, strict=True)) == 1
    ]


def _numbers_of_claims(claims: Sequence[Claim]) -> Table:
    rows = tuple(
        (
            claim_factors(claim),
            claim_name(claim),
            difference(claim),
            p_value(claim.found.p_value),
            p_value(claim.corrected_p),
            verdict(claim),
        )
        for claim in claims
    )
    unit = claims[0].rules.metric.unit or "difference"
    return Table(("factor", "levels", unit, "p", "corrected p", "verdict"), rows, "llrrrl")


def _estimation(group: Findings) -> Iterator[PlannedFigure]:
    """The seeds of both sides of each effect, and their paired differences."""
    shown = group.sides[:MOST_PANELS]
    if not shown:
        return
    arms = [
        differences.Arms((found.effect.level, found.effect.baseline), found.reached, found.effect)
        for found in shown
    ]
    one = group.replicate
    cells = "matched cells" if shown[0].effect.fraction is None else "all its cells"
    caption = (
        f"Above, what each level and its baseline level reached in each {one}, averaged over "
        f"{cells}; lines join the same {one}. Below, the difference of each {one}, and the "
        "mean with its interval."
    )
    if len(shown) < len(group.sides):
        caption += f" The first {len(shown)} of {len(group.sides)} levels."
    header = ("levels", one, "level", "baseline")
    rows = tuple(
        (claim_name(found.effect), str(n + 1), *(value(group.metric, float(x)) for x in pair))
        for found in shown
        for n, pair in enumerate(found.reached.T)
    )
    yield PlannedFigure(
        "effects",
        "estimation",
        caption,
        partial(differences.estimation, arms),
        Table(header, rows, "lrrr"),
    )


def _of_flips(results: Results, group: Findings) -> Iterator[PlannedFigure]:
    """A sheet for each effect whose flipping pictures can be read again."""
    shown = [one for one in group.sides if one.n_flips][:MOST_EFFECTS]
    for number, one in enumerate(shown, 1):
        if any(flip.picture in results.originals for flip in one.flips):
            caption = f"{one.effect.factor}: {claim_name(one.effect)}, the pictures of the table."
            draw = partial(flips_sheet, one, results.originals)
            yield PlannedFigure("flips", sheet_name(number), caption, draw)


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
        one = group.replicate
        caption += f" Means over the {one}s; the band goes from the lowest to the highest {one}."
    if len(shown) > 1:
        caption += " Grey: the other cells."
    caption += _best_of(MOST_CURVES, group)
    make = partial(courses.curves, [cell for cell, _ in shown], [table for _, table in shown])
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
    caption = f"Mean {group.metric.label} over the {group.replicate}s against mean training time"
    if len(cells) <= courses.MOST_BARS:
        caption += ", with 95 % intervals"
    front = [cell_name(cell.levels) for cell in courses.pareto_front(cells, group.metric)]
    caption += (
        ". Circled and joined: the Pareto front, than which no other cell has both a shorter time "
        f"and a {'lower' if group.metric.lower_is_better else 'higher'} {group.metric.label}: "
        f"{listed(front, MOST_NAMED)}. Small points: the {group.replicate}s."
    )
    factors = results.runs.factors
    make = partial(courses.score_and_time, cells, group.intervals, factors, group.metric)
    yield PlannedFigure("time", "time", caption, make)


def _best_of(most: int, group: Findings) -> str:
    """What a caption adds where not all cells are shown."""
    n = len(group.ranked)
    return f" The {most} best of {n:,} cells." if n > most else ""
