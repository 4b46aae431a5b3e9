"""The figures of a report: accuracies, effects, learning curves, the price in training time.

Drawn through matplotlib's objects, without its global state. The colours are Okabe and Ito's,
told apart by colour-blind readers; what is told apart by colour differs in shape or place too.
"""

import io
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ablation.figures.style import AMBER, BLUE, GREEN, GREY, LIGHT, ORANGE, PURPLE, SKY
from ablation.report.claims.claim import Claim, Interaction, LevelEffect, cell_name
from ablation.report.claims.groups import Group
from ablation.report.claims.results import MOST_CURVES, Results
from ablation.report.claims.tuning import tuning_note
from ablation.report.evidence.cells import Cell
from ablation.report.pages import pairs, tables
from ablation.report.pages.blocks import Picture
from ablation.report.pages.pairs import PairTable
from ablation.report.pages.text import claim_factors, claim_name, dagger, difference, percent

PALETTE = (BLUE, ORANGE, GREEN, PURPLE, SKY, AMBER, "#000000")
MARKERS = "osD^vPX*"

WIDTH = 8.0  # Inches, of every figure: they stand below one another.
DPI = 130
MOST_DOTS = 60
MOST_BARS = 24
MOST_EFFECTS = 24
MOST_HEAT_MAPS = 24
LONGEST_NAME = 44
#: Accuracies closer than this get colours that are close.
LEAST_RANGE = 0.05


def draw(results: Results) -> list[dict[str, list[Picture]]]:
    """For each group of cells, its figures by the section that shows them."""
    found = []
    for number, group in enumerate(results.groups, 1):
        sections: dict[str, list[Picture]] = {}
        for section, name, make, caption in _wanted(results, group):
            with matplotlib.rc_context(STYLE):
                buffer = io.BytesIO()
                make().savefig(buffer, dpi=DPI)
            unique = name if len(results.groups) == 1 else f"{name}-{number}"
            sections.setdefault(section, []).append(Picture(unique, buffer.getvalue(), caption))
        found.append(sections)
    return found


STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E5E5E5",
    "grid.linewidth": 0.7,
    "figure.constrained_layout.use": True,
    "legend.frameon": False,
}


def _wanted(results: Results, group: Group) -> Iterator[tuple[str, str, Callable[[], Figure], str]]:
    """(section, name, how to draw it, caption) of each figure that has something to show."""
    # Those in which runs diverged have no fair mean to draw.
    cells = group.ranked
    n = len(cells)
    if not n:
        return
    some = f" The {MOST_DOTS} best of {n:,} cells." if n > MOST_DOTS else ""
    if n > 1:
        caption = "Mean best validation accuracy of each cell; the bar is its 95 % interval."
        if tables.beside_anchor(group):
            caption += " Filled: told apart from the cell at the dotted line; hollow: not."
        yield "ranking", "cells", partial(dots, results, group), caption + some
    slices = pairs.first_pair(results, group)
    # One scale for all pairs: small differences are not to look like large ones.
    limits = min(cell.mean for cell in cells), max(cell.mean for cell in cells)
    if slices:
        caption = "Best validation accuracy, %."
        if len(slices) > MOST_HEAT_MAPS:
            caption += f" {MOST_HEAT_MAPS} of {len(slices)} combinations of the other factors."
        name = "heat-" + "-".join(slices[0].factors)
        yield "pairs", name, partial(heat_maps, slices[:MOST_HEAT_MAPS], limits), caption
    for pair in pairs.other_pairs(results, group):
        name = "heat-" + "-".join(pair.factors)
        caption = f"Best validation accuracy, %: {pair.as_table().caption}."
        yield "pairs", name, partial(heat_maps, [pair], limits), caption
    if group.comparison and group.comparison.effects:
        caption = (
            "Effect of each level against the baseline level, with 95 % interval. Filled: told "
            "apart after correction for all comparisons."
        )
        caption = f"{caption} {dagger(results, group.comparison.effects)}".strip()
        yield "effects", "effects", partial(forest, results, group.comparison.effects), caption
    if group.comparison and group.comparison.interactions:
        chosen = largest(group.comparison.interactions)
        caption = "Interactions of two factors, with 95 % interval."
        if len(chosen) < len(group.comparison.interactions):
            caption += f" The {len(chosen)} largest of {len(group.comparison.interactions)}."
        yield "effects", "interactions", partial(forest, results, chosen), caption
    if any(run_id in results.histories for cell in cells for run_id in cell.run_ids):
        caption = "Validation accuracy by epoch; dashed: training accuracy."
        if any(len(cell.seeds) > 1 for cell in cells):
            caption += " Means over the seeds; the band goes from the lowest to the highest seed."
        if n > 1:
            caption += " Grey: the other cells."
        if n > MOST_CURVES:
            caption += f" The {MOST_CURVES} best of {n:,} cells."
        yield "curves", "curves", partial(curves, results, group), caption
    if n > 1 and any(np.isfinite(cell.seconds).all() for cell in cells):
        caption = (
            "Accuracy against training time, means over the seeds, with 95 % intervals of the "
            "accuracy. The line joins the cells to which no other is ahead in both."
        )
        yield "time", "time", partial(price, results, group), caption


def largest(claims: Sequence[Interaction]) -> list[Interaction]:
    """At most `MOST_EFFECTS` of them, told apart first, then by size, in the order given."""
    order = sorted(claims, key=lambda claim: (not claim.told_apart, -abs(claim.found.difference)))
    kept = {id(claim) for claim in order[:MOST_EFFECTS]}
    return [claim for claim in claims if id(claim) in kept]


def dots(results: Results, group: Group) -> Figure:
    """Each cell's mean with its interval, best at the top."""
    cells = group.ranked[:MOST_DOTS]
    beside, anchor = tables.beside_anchor(group), tables.anchor(group)
    figure = Figure(figsize=(WIDTH, 0.9 + 0.23 * len(cells)))
    axes = figure.subplots()
    for row, cell in enumerate(cells):
        claim = beside.get(cell.levels)
        is_hollow = beside and not (claim and claim.told_apart)
        found = group.intervals.get(cell.levels)
        if found is not None:
            axes.plot([100 * found.low, 100 * found.high], [row, row], c=BLUE, lw=1.6, alpha=0.8)
        fill = "white" if is_hollow else BLUE
        axes.plot(100 * cell.mean, row, "o", ms=6, mec=BLUE, mew=1.4, c=fill)
    if beside:
        at = next(cell.mean for cell in group.cells if cell.levels == anchor)
        axes.axvline(100 * at, c=GREY, lw=1, ls=":", zorder=0)
    axes.set_yticks(range(len(cells)), [shortened(cell_name(cell.levels)) for cell in cells])
    axes.set_ylim(len(cells) - 0.5, -0.5)
    axes.set_xlabel("best validation accuracy, %")
    axes.grid(axis="y", visible=False)
    return figure


def heat_maps(pairs: Sequence[PairTable], limits: tuple[float, float]) -> Figure:
    """One map for each table; `limits` are the accuracies of the darkest and lightest colour."""
    n_columns = max(len(pair.columns) for pair in pairs)
    n_rows = max(len(pair.rows) for pair in pairs)
    wide = 1.2 + 0.7 * n_columns
    across = min(len(pairs), max(1, int(WIDTH // wide)))
    down = -(-len(pairs) // across)
    size = (min(WIDTH, across * wide), down * (0.95 + 0.36 * n_rows))
    figure = Figure(figsize=size)
    panels = list(figure.subplots(down, across, squeeze=False).flat)
    low, high = limits
    if high - low < LEAST_RANGE:
        low, high = (low + high - LEAST_RANGE) / 2, (low + high + LEAST_RANGE) / 2
    for panel, pair in zip(panels, pairs, strict=False):
        _heat_map(panel, pair, (low, high))
    for panel in panels[len(pairs) :]:
        panel.set_visible(False)
    return figure


def _heat_map(panel: Axes, pair: PairTable, limits: tuple[float, float]) -> None:
    low, high = limits
    values = np.full((len(pair.rows), len(pair.columns)), np.nan)
    notes: dict[tuple[int, int], str] = {}
    for (row, column), entry in pair.entries.items():
        at = pair.rows.index(row), pair.columns.index(column)
        values[at] = np.nan if entry.note else entry.mean
        notes[at] = entry.note.replace(" of ", "/").replace(" seeds", "")
    panel.imshow(values, cmap="cividis", vmin=low, vmax=high, aspect="auto")
    panel.set_facecolor(LIGHT)
    for row, column in np.ndindex(*values.shape):
        value = float(values[row, column])
        missing = notes.get((row, column)) or "missing"
        text = missing if np.isnan(value) else percent(value)
        is_dark = not np.isnan(value) and (value - low) / (high - low) < 0.55
        panel.text(column, row, text, ha="center", va="center", c="white" if is_dark else "black")
    panel.set_xticks(range(len(pair.columns)), [shortened(level, 14) for level in pair.columns])
    panel.set_yticks(range(len(pair.rows)), [shortened(level, 18) for level in pair.rows])
    panel.set_ylabel(pair.factors[0])
    fixed = ", ".join(f"{factor} {level}" for factor, level in pair.others.items())
    panel.set_xlabel(pair.factors[1])
    if fixed:
        panel.set_title(shortened(fixed, 40))
    panel.tick_params(length=0)
    panel.grid(visible=False)
    panel.spines[:].set_visible(False)


def forest(results: Results, claims: Sequence[LevelEffect] | Sequence[Interaction]) -> Figure:
    """Each claim's difference with its interval, by factor."""
    shown = list(claims)[:MOST_EFFECTS]
    names = [_two_lines(results, claim) for claim in shown]
    height = 0.42 if any("\n" in name for name in names) else 0.3
    figure = Figure(figsize=(WIDTH, 0.9 + height * len(shown)))
    axes = figure.subplots()
    for row, claim in enumerate(shown):
        found = claim.found
        colour = BLUE if claim.told_apart else GREY
        axes.plot([100 * found.low, 100 * found.high], [row, row], c=colour, lw=1.8)
        fill = colour if claim.told_apart else "white"
        axes.plot(100 * found.difference, row, "o", ms=6.5, mec=colour, mew=1.4, c=fill)
        text = f" {difference(claim)}"
        axes.annotate(
            text, (1, row), xycoords=("axes fraction", "data"), va="center", c=colour, fontsize=8
        )
    axes.set_yticks(range(len(shown)), names)
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.axvline(0, c="black", lw=0.9, zorder=0)
    axes.set_xlabel("difference, points of accuracy")
    axes.grid(axis="y", visible=False)
    return figure


def _two_lines(results: Results, claim: Claim) -> str:
    """What a row of the forest is: on two lines where one would leave no room for the figure."""
    factors, levels = shortened(claim_factors(claim)), shortened(claim_name(claim), 52)
    dagger = " †" if tuning_note(results, claim) else ""
    is_short = len(factors) + len(levels) <= LONGEST_NAME
    return f"{factors}:  {levels}{dagger}" if is_short else f"{factors}{dagger}\n{levels}"


def curves(results: Results, group: Group) -> Figure:
    """A panel for each of the best cells, the others behind it in grey."""
    best = group.ranked[:MOST_CURVES]
    drawn = [(cell, found) for cell in best if (found := bands(results, cell)) is not None]
    across = min(len(drawn), 2 if len(drawn) in (2, 4) else 3)
    down = -(-len(drawn) // across)
    figure = Figure(figsize=(WIDTH, 0.4 + 2.0 * down))
    panels = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True)
    for panel, (cell, found) in zip(panels.flat, drawn, strict=False):
        for _, other in drawn:
            panel.plot(other.epoch, 100 * other["mean"], c=LIGHT, lw=1, zorder=1)
        if len(cell.seeds) > 1:
            low, high = 100 * found["low"], 100 * found["high"]
            panel.fill_between(found.epoch, low, high, color=BLUE, alpha=0.25, lw=0)
        marker = "o" if len(found) < 15 else ""
        panel.plot(found.epoch, 100 * found["mean"], c=BLUE, lw=1.8, marker=marker, ms=3)
        panel.plot(found.epoch, 100 * found.train, c=ORANGE, lw=1.2, ls="--")
        panel.set_title(shortened(cell_name(cell.levels), 34))
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    for panel in panels.flat[len(drawn) :]:
        panel.set_visible(False)
    for panel in panels[:, 0]:
        panel.set_ylabel("accuracy, %")
    for at in range(across):
        # The lowest panel of this column that is shown carries the axis.
        lowest = panels[max(row for row in range(down) if row * across + at < len(drawn)), at]
        lowest.set_xlabel("epoch")
        lowest.tick_params(labelbottom=True)
    return figure


def bands(results: Results, cell: Cell) -> pd.DataFrame | None:
    """Mean, lowest and highest validation accuracy over the seeds, and mean training accuracy.

    A row an epoch; None where no history can be read.
    """
    found = [results.histories[run] for run in cell.run_ids if run in results.histories]
    if not found:
        return None
    by_epoch = pd.concat(map(pd.DataFrame, found)).groupby("epoch")
    accuracy = by_epoch["val/accuracy"]
    train = by_epoch["train/accuracy"].mean() if "train/accuracy" in found[0] else np.nan
    table = {"mean": accuracy.mean(), "low": accuracy.min(), "high": accuracy.max(), "train": train}
    return pd.DataFrame(table).reset_index()


def price(results: Results, group: Group) -> Figure:
    """Accuracy against training time: colour and shape by the first two factors."""
    figure = Figure(figsize=(WIDTH, 3.8))
    axes = figure.subplots()
    cells = [cell for cell in group.ranked if np.isfinite(cell.seconds).all()]
    time = {cell.levels: float(cell.seconds.mean()) for cell in cells}
    factors = results.factors
    by_colour, by_shape = (factors[0] if factors else "", factors[1] if len(factors) > 1 else "")
    if "transfer" in factors:
        by_colour = "transfer"
        by_shape = next((factor for factor in factors if factor != "transfer"), "")
    colours = _assigned(results, cells, by_colour, PALETTE)
    shapes = _assigned(results, cells, by_shape, MARKERS)
    for cell in cells:
        colour = colours.get(_level(factors, cell, by_colour), BLUE)
        shape = shapes.get(_level(factors, cell, by_shape), "o")
        x, found = time[cell.levels], group.intervals.get(cell.levels)
        if found is not None and len(cells) <= MOST_BARS:
            axes.plot([x, x], [100 * found.low, 100 * found.high], c=colour, lw=1, alpha=0.6)
        axes.plot(x, 100 * cell.mean, shape, c=colour, ms=7, mec="white", mew=0.8)
    front = not_beaten(cells, time)
    axes.plot(
        [time[cell.levels] for cell in front],
        [100 * cell.mean for cell in front],
        c=GREY, lw=1, zorder=0,
    )  # fmt: skip
    spread = max(time.values()) / max(min(time.values()), 1e-9)
    if spread > 20:
        axes.set_xscale("log")
    else:
        axes.set_xlim(left=0, right=1.12 * max(time.values()))
    axes.set_xlabel("mean training time of a run, s")
    axes.set_ylabel("best validation accuracy, %")
    handles = [
        Line2D([], [], ls="", marker=marker, c=colour, label=label)
        for label, marker, colour in [
            *((f"{by_colour} {level}", "o", colour) for level, colour in colours.items()),
            *((f"{by_shape} {level}", shape, GREY) for level, shape in shapes.items()),
        ]
    ]
    if handles:
        figure.legend(handles=handles, loc="outside right upper", fontsize=8)
    return figure


def _assigned(
    results: Results, cells: Sequence[Cell], factor: str, styles: Sequence[str]
) -> dict[str, str]:
    """A style for each level of a factor that has cells; the styles repeat where they run out."""
    if not factor:
        return {}
    present = {_level(results.factors, cell, factor) for cell in cells}
    levels = [level for level in results.runs.factors[factor] if level in present]
    return {level: styles[n % len(styles)] for n, level in enumerate(levels)}


def _level(factors: Sequence[str], cell: Cell, factor: str) -> str:
    return cell.levels[factors.index(factor)] if factor else ""


def not_beaten(cells: Sequence[Cell], time: dict[tuple[str, ...], float]) -> list[Cell]:
    """The cells that no other is both faster and better than, from the fastest on."""
    front: list[Cell] = []
    for cell in sorted(cells, key=lambda cell: (time[cell.levels], -cell.mean)):
        if not front or cell.mean > front[-1].mean:
            front.append(cell)
    return front


def shortened(text: str, longest: int = LONGEST_NAME) -> str:
    """A text that fits beside a figure: its middle goes first."""
    if len(text) <= longest:
        return text
    half = (longest - 1) // 2
    return f"{text[:half]}…{text[-half:]}"
