"""What choosing the best epoch does to the accuracy that is reported."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ablation.report.claims.claim import Levels
from ablation.report.claims.groups import Group
from ablation.report.claims.pair_tables import Entry, average_scores


@dataclass(frozen=True)
class Optimism:
    """How far the accuracy on the pictures that chose the epoch lies above that on others.

    Attributes:
        val: mean accuracy on the validation pictures, which chose the epoch, with its interval.
        test: that of the same weights on the pictures held back, with its interval.
        gap, low, high: the difference with its interval, fractions.
        n_pictures: how many pictures were held back.
    """

    val: Entry
    test: Entry
    gap: float
    low: float
    high: float
    n_pictures: int

    @property
    def is_significant(self) -> bool:
        """Whether the difference's interval lies above 0."""
        return bool(self.low > 0)


def optimism(group: Group, held_back: Mapping[Levels, NDArray[np.bool_]]) -> Optimism | None:
    """The optimism of the best epoch, over the cells that have pictures held back.

    The validation pictures and those held back are different ones, so the two accuracies vary
    independently and their intervals add up by squares (Zou and Donner 2008). They share their
    seeds, which can only make the true interval shorter.

    Args:
        group: of cells.
        held_back: levels → right or wrong on the pictures held back, (n_seeds, n_pictures).

    Returns:
        None where no cell has pictures held back, they are not the same number in all, or all
        pictures are judged in folds.
    """
    if group.folds:
        return None
    both = [cell.levels for cell in group.cells if cell.levels in held_back]
    both = [levels for levels in both if levels in group.right]
    seeds = group.shared_seeds(both)
    shapes = {held_back[levels].shape[1] for levels in both}
    if not seeds or len(shapes) != 1:
        return None
    (val,) = average_scores([[group.answers_of(levels, seeds) for levels in both]])
    (test,) = average_scores([[group.of_seeds(held_back[k], k, seeds) for k in both]])
    gap = val.mean - test.mean
    low = gap - np.hypot(val.mean - val.low, test.high - test.mean)
    high = gap + np.hypot(val.high - val.mean, test.mean - test.low)
    return Optimism(val, test, gap, float(low), float(high), shapes.pop())
