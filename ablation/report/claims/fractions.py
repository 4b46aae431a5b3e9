"""Which claims a regular fraction of a grid gives.

No two of its cells need differ in one factor alone, so there are no matched pairs. But each level
of a factor is in half of the cells, and of any other factor each level is equally often on both
sides. So an effect is the mean of the cells with a level minus the mean of the others (Box, Hunter
& Hunter 2005, *Statistics for Experimenters*, ch. 6), over all cells and the seeds that they share.
It is unbiased where the interactions that it is confounded with are none. An interaction is only
claimed where no main effect and no other interaction of two factors is confounded with it.
"""

from collections.abc import Iterator
from itertools import combinations
from typing import Any

from ablation.report.claims.claim import Claim, Interaction, LevelEffect
from ablation.report.claims.drafts import Draft, Grid, neighbours
from ablation.study.fractions import Fraction


def effects_of(grid: Grid, fraction: Fraction) -> Iterator[Draft]:
    """The effect of each factor's other level against its baseline level.

    Args:
        grid: of cells, none of which is missing in the fraction.
        fraction: that they are.
    """
    for factor in fraction.factors:
        at = grid.factors.index(factor)
        (level,) = grid.other_levels(at)
        names = {"factor": factor, "level": level, "baseline": grid.baseline[factor]}
        yield from _draft(grid, fraction, LevelEffect, names)


def interactions_of(grid: Grid, fraction: Fraction) -> Iterator[Draft]:
    """The interactions of two factors that are not confounded with anything of two or fewer."""
    for factors in combinations(fraction.factors, 2):
        if not fraction.aliases(factors):
            others = [grid.other_levels(grid.factors.index(factor))[0] for factor in factors]
            names = {
                "factors": factors,
                "levels": tuple(others),
                "baselines": tuple(grid.baseline[factor] for factor in factors),
            }
            yield from _draft(grid, fraction, Interaction, names)


def _draft(
    grid: Grid, fraction: Fraction, kind: type[Claim], names: dict[str, Any]
) -> Iterator[Draft]:
    """A sum over all cells; none where these share too few seeds."""
    seeds = grid.shared_seeds(grid.tables)
    if len(seeds) < grid.least_seeds:
        return
    factors = (names["factor"],) if kind is LevelEffect else names["factors"]
    places = [grid.factors.index(factor) for factor in factors]
    weights = dict.fromkeys(grid.tables, 1)
    for at in places:
        for cell in weights:
            weights[cell] *= -1 if cell[at] == grid.baseline[grid.factors[at]] else 1
    # Of each combination of the levels that are compared.
    n_alike = len(weights) // 2 ** len(places)
    names = {**names, "matched": n_alike, "possible": n_alike, "fraction": fraction}
    pairs = tuple(tuple(neighbours(weights, at)) for at in places)
    yield Draft(kind, names, weights, n_alike, seeds, pairs)
