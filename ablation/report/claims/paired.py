"""How often two runs are right on the same pictures."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ablation.report.claims.claim import Levels
from ablation.report.claims.groups import Group


@dataclass(frozen=True)
class Paired:
    """The pictures of two cells' runs of one seed, by who was right.

    Attributes:
        a, b: the cells.
        seed: of both runs.
        both, only_a, only_b, neither: how many pictures.
        n_factors: on how many factors the cells differ.
    """

    a: Levels
    b: Levels
    seed: int
    both: int
    only_a: int
    only_b: int
    neither: int
    n_factors: int


def paired(group: Group) -> Iterator[Paired]:
    """Every pair of cells that share exactly one seed, in the order of the cells."""
    if group.folds:
        # Divisions are judged, however many there are.
        return
    cells = [cell.levels for cell in group.cells if cell.levels in group.right]
    for a, b in combinations(cells, 2):
        seeds = group.shared_seeds([a, b])
        if len(seeds) == 1:
            right_a, right_b = group.answers_of(a, seeds)[0], group.answers_of(b, seeds)[0]
            yield Paired(
                a,
                b,
                seeds[0],
                both=int(np.sum(right_a & right_b)),
                only_a=int(np.sum(right_a & ~right_b)),
                only_b=int(np.sum(~right_a & right_b)),
                neither=int(np.sum(~right_a & ~right_b)),
                n_factors=sum(one != other for one, other in zip(a, b, strict=True)),
            )
