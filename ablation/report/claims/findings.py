"""All that a report says about a group of cells, computed once from their comparison."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ablation.report.claims.claim import CellContrast, Levels, Tuning
from ablation.report.claims.groups import Group
from ablation.report.claims.optimism import Optimism, optimism
from ablation.report.claims.pair_tables import PairTable, first_pair, other_pairs
from ablation.report.claims.paired import Paired, paired
from ablation.report.claims.sides import Sides, sides
from ablation.report.claims.tuning import with_tuning
from ablation.report.evidence.answers import Answers


@dataclass(frozen=True)
class Findings(Group):
    """A group with all that the report says about it.

    Attributes:
        anchor: the cell that the ranking compares the others with: the first, or in a large
            study the one that each cell is compared with; None where nothing is compared.
        beside_anchor: each other cell's levels → that cell minus the anchor.
        first_pair: tables of the first pair of factors, one for each combination of the others.
        other_pairs: tables of the other pairs, each averaged over the other factors.
        paired: the pictures of each pair of cells that share one seed only.
        sides: of each main effect, what both sides reached and which pictures flip.
        optimism: of the best epoch; None where no pictures were held back.
    """

    anchor: Levels | None
    beside_anchor: Mapping[Levels, CellContrast]
    first_pair: tuple[PairTable, ...]
    other_pairs: tuple[PairTable, ...]
    paired: tuple[Paired, ...]
    sides: tuple[Sides, ...]
    optimism: Optimism | None


def findings(
    group: Group,
    answers: Answers,
    held_back: Mapping[Levels, NDArray[np.bool_]],
    tuning: Tuning,
) -> Findings:
    """Everything that follows from a group's comparison and its answers.

    Args:
        group: of cells, compared.
        answers: of its runs.
        held_back: levels → right or wrong on the pictures held back, (n_seeds, n_pictures).
        tuning: how the study chose its learning rates.
    """
    if group.comparison is not None:
        group = replace(group, comparison=with_tuning(group.comparison, tuning))
    at = _anchor(group)
    return Findings(
        **{name: getattr(group, name) for name in Group.__dataclass_fields__},
        anchor=at,
        beside_anchor=_against(group, at),
        first_pair=tuple(first_pair(group)),
        other_pairs=tuple(other_pairs(group)),
        paired=tuple(paired(group)),
        sides=tuple(sides(group, answers)),
        optimism=optimism(group, held_back),
    )


def _anchor(group: Group) -> Levels | None:
    if group.comparison is None or not group.comparison.contrasts:
        return None
    seconds = {claim.b for claim in group.comparison.contrasts}
    if len(group.ranked) > 2 and len(seconds) == 1:
        return seconds.pop()
    return group.ranked[0].levels


def _against(group: Group, at: Levels | None) -> dict[Levels, CellContrast]:
    found = {}
    for claim in group.comparison.contrasts if group.comparison else ():
        if claim.b == at:
            found[claim.a] = claim
        elif claim.a == at:
            found[claim.b] = claim.reversed()
    return found
