"""The tables and figures of a group of cells."""

from collections.abc import Iterable, Iterator

import numpy as np

from ablation.report.claims.claim import Claim, cell_name
from ablation.report.claims.groups import Group
from ablation.report.claims.results import Results
from ablation.report.pages import pairs, tables
from ablation.report.pages.answers import _left_out, _some
from ablation.report.pages.blocks import Block, Pictures, Text
from ablation.report.pages.figures import largest
from ablation.report.pages.text import count, dagger, percent


def _ranking(results: Results, group: Group, drawn: Pictures) -> Iterator[Block]:
    if len(group.cells) == 1 and not results.lost:
        return
    yield tables.ranking(results, group)
    yield from _left_out(len(group.ranked), "cells", "cells.csv")
    yield from _dagger_note(results, tables.beside_anchor(group).values())
    yield from drawn.get("ranking", ())


def _dagger_note(results: Results, claims: Iterable[Claim]) -> Iterator[Block]:
    text = dagger(results, claims)
    if text:
        yield Text(text, "remark")


def _pairs(results: Results, group: Group, drawn: Pictures) -> Iterator[Block]:
    slices = pairs.first_pair(results, group)
    if slices:
        yield Text("Best validation accuracy, %, with its 95 % interval.", "remark")
    for pair in slices[: pairs.MOST_SLICES]:
        yield pair.as_table()
    if len(slices) > pairs.MOST_SLICES:
        yield Text(
            f"{pairs.MOST_SLICES} of {len(slices):,} combinations of the other factors; "
            "`cells.csv` has all.",
            "remark",
        )
    for pair in pairs.other_pairs(results, group):
        yield pair.as_table()
    n_pairs = len(pairs.pairs_of_factors(pairs.factors_of(results, group)))
    if n_pairs > pairs.MOST_PAIRS:
        yield Text(f"{pairs.MOST_PAIRS} of {n_pairs} pairs of factors.", "remark")
    yield from drawn.get("pairs", ())


def _effects(results: Results, group: Group, drawn: Pictures) -> Iterator[Block]:
    if group.comparison is None or not group.comparison.effects:
        return
    base = ", ".join(
        f"{factor} {level}"
        for factor, level in group.comparison.baseline.items()
        if any(claim.factor == factor for claim in group.comparison.effects)
    )
    yield Text(
        f"Each level against the baseline level ({base}), averaged over cells that are alike in "
        "all else. `report.baseline.FACTOR=LEVEL` sets another.",
        "remark",
    )
    yield tables.effects(results, group.comparison.effects)
    interactions = largest(group.comparison.interactions)
    if interactions:
        yield tables.effects(results, interactions)
    if len(interactions) < len(group.comparison.interactions):
        yield Text(
            f"The {len(interactions)} largest of {len(group.comparison.interactions)} "
            "interactions; `contrasts.csv` has all.",
            "remark",
        )
    yield from _dagger_note(results, [*group.comparison.effects, *interactions])
    yield from drawn.get("effects", ())


def _shares(results: Results, group: Group, drawn: Pictures) -> Iterator[Block]:
    found = tables.shares(group)
    if found is not None:
        yield Text(
            "How much of the variance of the runs' accuracies each factor explains, beyond what "
            "chance alone would give it.",
            "remark",
        )
        yield found
    elif len(group.cells) > 1 and all(len(cell.seeds) == 1 for cell in group.cells):
        yield Text(
            "Not given: with one seed, what chance did can't be told from what the factors did."
        )
    elif len(group.cells) > 1:
        yield Text("Not given: they need every cell of the grid, with seeds that all cells share.")


def _selection(results: Results, group: Group, drawn: Pictures) -> Iterator[Block]:
    if not group.ranked:
        return
    gain = float(np.mean([cell.mean - cell.last.mean() for cell in group.ranked]))
    optimism = tables.optimism(results, group)
    if optimism is None:
        yield Text(
            "The best epoch was chosen on the same validation pictures that it is reported on, "
            f"so its accuracy flatters. It is {percent(gain)} points above the last epoch's on "
            "average. `data.test_fraction=0.2` holds pictures back that are looked at once."
        )
    else:
        yield Text(
            f"The best epoch was chosen on validation data and shows {optimism.val} % on average. "
            f"The same weights get {optimism.test} % on {count(optimism.n_pictures, 'picture')} "
            "that were held back and looked at once. "
            + (
                f"The first figure was optimistic by {optimism.difference}."
                if optimism.is_told
                else "That the first figure was optimistic can't be told: the difference is "
                f"{optimism.difference}."
            )
        )
    if results.runs.searched:
        names = ", ".join(results.runs.searched)
        yield Text(f"{names} was chosen on the same validation pictures, which flatters further.")
    yield tables.selection(results, group)
    yield from _left_out(len(group.ranked), "cells", "cells.csv")


def _searched(results: Results, group: Group, drawn: Pictures) -> Iterator[Block]:
    names = list(results.runs.searched)
    fixed = [key for key in results.config.nuisance if key not in names]
    for key in fixed:
        yield Text(f"{key} was to be searched and has one value in all runs.", "warning")
    if not names:
        return
    yield Text(
        f"Each cell is shown at its own best {' and '.join(names)}, by the mean over the seeds."
    )
    at_edge = [
        cell
        for cell in group.cells
        if any(tables.is_at_edge(cell, number) for number in range(len(names)))
    ]
    if at_edge:
        listed = _some(cell_name(cell.levels) for cell in at_edge)
        yield Text(
            f"In {count(len(at_edge), 'cell')} the best value lies on the edge of the searched "
            f"range: {listed}. A better one may lie beyond: search further.",
            "warning",
        )
    budgets = {len(cell.tried) for cell in group.cells}
    if len(budgets) > 1:
        yield Text(
            f"Cells were searched over {min(budgets)} to {max(budgets)} values: those with more "
            "had more chances.",
            "warning",
        )
    yield tables.searched(results, group)
    yield from _left_out(len(group.cells), "cells", "cells.csv")


def _curves(results: Results, group: Group, drawn: Pictures) -> Iterator[Block]:
    yield from drawn.get("curves", ())


def _time(results: Results, group: Group, drawn: Pictures) -> Iterator[Block]:
    if len(group.ranked) > 1 and any(np.isfinite(cell.seconds).all() for cell in group.ranked):
        yield from drawn.get("time", ())
        yield tables.times(group)
        yield from _left_out(len(group.ranked), "cells", "cells.csv")
