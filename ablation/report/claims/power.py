"""How many seeds or pictures a difference would need to be found."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import special

from ablation.report.claims.statistics import Contrast
from ablation.report.claims.two_way import critical_value, variance_of_sum


@dataclass(frozen=True)
class Needed:
    """How much data would show a true `difference`.

    Attributes:
        difference: a fraction.
        seeds: how many, with the pictures as they are; None where no number is enough, since the
            variance between pictures remains.
        pictures: how many, with the seeds as they are; None where no number is enough.
    """

    difference: float
    seeds: int | None
    pictures: int | None


def needed(found: Contrast, difference: float = 0.01, power: float = 0.8) -> Needed:
    """About how much data would show a true `difference`, from the variance in `found`.

    Shown means here that the interval of `found.confidence` leaves out 0 in a share `power`
    of studies. The variance components are estimates, so the numbers are good to a factor of two.

    Args:
        found: any contrast; its own difference does not matter.
        difference: the true difference, a fraction above 0.
        power: between 0 and 1.

    Raises:
        ValueError: If `difference` or `power` is out of range.
    """
    if not difference > 0:
        raise ValueError(f"difference is {difference}, not above 0")
    if not 0 < power < 1:
        raise ValueError(f"power is {power}, not between 0 and 1")

    def is_enough(n_seeds: int, n_pictures: int) -> bool:
        return _detectable(found, n_seeds, n_pictures, power) <= difference

    if found.n_folds:
        return Needed(difference, seeds=None, pictures=_pictures_in_folds(found, difference, power))
    return Needed(
        difference=difference,
        seeds=_smallest(lambda n: is_enough(n, found.n_pictures)) if found.n_seeds > 1 else None,
        pictures=_smallest(lambda n: is_enough(found.n_seeds, n)),
    )


def _pictures_in_folds(found: Contrast, difference: float, power: float) -> int:
    """About how many pictures it takes in folds, where the error falls with their root.

    So does what runs differ by, as they are trained on the others.
    """
    half = max(found.high - found.difference, found.difference - found.low)
    detectable = half + float(special.ndtri(power)) * found.error
    return max(int(np.ceil(found.n_pictures * (detectable / difference) ** 2)), 1)


def _detectable(found: Contrast, n_seeds: int, n_pictures: int, power: float) -> float:
    """The difference that so much data would show in a share `power` of studies."""
    if found.n_seeds > 1 and n_seeds == 1:
        return np.inf
    parts, alpha = found.components, 1 - found.confidence
    residual = parts.residual or 0.0
    variance, sources = variance_of_sum(
        np.array([residual + n_pictures * (parts.seed or 0.0)]),
        np.array([residual + n_seeds * parts.picture]),
        np.array([residual]),
        # What was learned from other cells does not grow with the seeds.
        seed_freedom=np.array([max(n_seeds - 1, 1) + found.shared_freedom]),
        picture_freedom=np.array([max(n_pictures - 1, 1)]),
    )
    error = np.sqrt(variance[0] / (n_seeds * n_pictures))
    return float((critical_value(alpha, sources)[0] + special.ndtri(power)) * error)


def _smallest(enough: Callable[[int], bool], most: int = 100_000_000) -> int | None:
    """The smallest n from 1 to `most` for which `enough(n)`, which stays true once it is."""
    if not enough(most):
        return None
    low, high = 0, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
