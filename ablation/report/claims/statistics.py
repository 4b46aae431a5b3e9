"""Differences and accuracies with intervals that hold for new seeds and new pictures.

Every run of a cell answers the same pictures, and cells share their seeds, so a difference between
cells is a table of paired differences of shape (seeds, pictures). `two_way` says how the
variance of its mean is estimated.
Differences and accuracies are fractions throughout (0.01 is one point).
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from ablation.report.claims.folds import Folds, cross_validated
from ablation.report.claims.moderation import Expected
from ablation.report.claims.two_way import (
    Components,
    TwoWay,
    critical_value,
    p_value_of,
    size_where_differing,
    smallest_p,
    two_way,
)

Floats = NDArray[np.float64]
Covers = Literal["pictures", "seeds and pictures"]


@dataclass(frozen=True)
class Contrast:
    """A mean difference, as a fraction, with its interval and the p-value against no difference.

    The interval excludes 0 exactly where `p_value < 1 - confidence`.

    Attributes:
        difference: the mean.
        low, high: its interval of level `confidence`.
        p_value: two-sided, before any correction.
        n_seeds, n_pictures: of the table.
        confidence: of the interval, between 0 and 1.
        components: of the variance of one entry of the table.
        shared_freedom: degrees of freedom of the variance between seeds that come from the other
            cells of the study.
        n_folds: of cross-validated runs, into how many folds each division of the pictures is
            made; `n_seeds` is the number of divisions then. 0 for plain runs.
        error: standard error of the mean.
    """

    difference: float
    low: float
    high: float
    p_value: float
    n_seeds: int
    n_pictures: int
    confidence: float
    components: Components
    shared_freedom: float = 0.0
    n_folds: int = 0
    error: float = 0.0

    @property
    def covers(self) -> Covers:
        """What the interval holds for: one seed says nothing about other seeds."""
        is_one = self.n_seeds == 1 and not self.n_folds
        return "pictures" if is_one else "seeds and pictures"

    @property
    def n_runs(self) -> int:
        """Of each cell: one a seed, or one a fold of each division."""
        return self.n_seeds * max(self.n_folds, 1)

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval does."""
        return self.low > 0 or self.high < 0

    def reversed(self) -> "Contrast":
        """The same contrast, b minus a."""
        # 0.0 - x, not -x: a difference of -0.0 would be printed with its sign.
        return replace(
            self, difference=0.0 - self.difference, low=0.0 - self.high, high=0.0 - self.low
        )


@dataclass(frozen=True)
class MeanAccuracy:
    """One cell's mean accuracy, a fraction, with its interval of level `confidence`."""

    mean: float
    low: float
    high: float
    n_seeds: int
    n_pictures: int
    confidence: float
    n_folds: int = 0  # Of cross-validated runs; see `Contrast`.

    @property
    def covers(self) -> Covers:
        """What the interval holds for: one seed says nothing about other seeds."""
        is_one = self.n_seeds == 1 and not self.n_folds
        return "pictures" if is_one else "seeds and pictures"


def contrast(correct_a: ArrayLike, correct_b: ArrayLike, confidence: float = 0.95) -> Contrast:
    """The accuracy of a minus that of b, paired over the same seeds and pictures.

    Args:
        correct_a: Right or wrong, of shape (n_seeds, n_pictures): booleans, or 0 and 1.
        correct_b: The same of b; row s of both is one seed, column i of both is one picture.
        confidence: Of the interval, between 0 and 1.

    Returns:
        A difference between -1 and 1. The interval is for new seeds and new pictures; with
        one seed it is for new pictures on these weights (`covers` says so).

    Raises:
        ValueError: If a table is empty, not of two dimensions, holds anything but right and wrong,
            or if the shapes differ.
    """
    a, b = right_or_wrong(correct_a, "correct_a"), right_or_wrong(correct_b, "correct_b")
    if a.shape != b.shape:
        raise ValueError(f"correct_a has shape {a.shape}, correct_b {b.shape}: they must be paired")
    return mean_effect(a.astype(np.float64) - b, confidence)


def mean_effect(values: ArrayLike, confidence: float = 0.95, limit: float = 1.0) -> Contrast:
    """The mean of one table of numbers of shape (n_seeds, n_pictures); see `mean_effects`."""
    table = np.asarray(values)
    if table.ndim != 2:
        raise ValueError(f"values has shape {table.shape}, not (n_seeds, n_pictures)")
    return mean_effects(table[np.newaxis], confidence, limit)[0]


def mean_effects(
    values: ArrayLike,
    confidence: float = 0.95,
    limit: float | None = 1.0,
    expected: Expected | None = None,
    folds: Folds | None = None,
) -> list[Contrast]:
    """The mean of each of several tables, for new seeds and new pictures.

    The tables may be differences between two cells, such differences averaged over matched pairs of
    cells, or differences of differences (interactions). `two_way` says how the variance of the mean
    is estimated.

    Args:
        values: Of shape (n_tables, n_seeds, n_pictures), finite, at most `limit` in size.
        confidence: Of the intervals, between 0 and 1.
        limit: The largest possible effect: 1 for a difference of accuracies, 2 for a difference of
            such differences; None for scores without a largest value.
        expected: Of each table, what the cells of the study let expect of its seeds; None where
            each table has only itself to learn from.
        folds: Of cross-validated runs, the fold of each division and picture, from 0, of shape
            (n_seeds, n_pictures): a "seed" of the tables is then a division of the pictures.

    Raises:
        ValueError: If the shape is another, a dimension is empty, or a value is out of range.
    """
    tables = _checked_tables(values, limit)
    _check_confidence(confidence)
    if not len(tables):
        return []
    _, n_seeds, n_pictures = tables.shape
    n_differing = np.count_nonzero(np.abs(tables).max(axis=1) > 1e-9, axis=1)
    size = size_where_differing(tables, n_differing)
    fit = _fit(tables, size, n_differing, expected, folds, known_size=limit is not None)
    is_one_run = n_seeds == 1 and folds is None
    p_value = p_value_of(np.abs(fit.mean) / fit.error, fit.sources)
    p_value = np.maximum(p_value, smallest_p(tables, n_differing, is_one_run))
    difference = tables.mean(axis=(1, 2))
    half = critical_value(1 - confidence, fit.sources) * fit.error
    most = np.inf if limit is None else limit
    low = np.minimum(np.maximum(fit.mean - half, -most), difference)
    high = np.maximum(np.minimum(fit.mean + half, most), difference)
    low, high = _with_zero(low, high, where=p_value >= 1 - confidence)
    shared = np.maximum(fit.sources.seed_freedom - _own_freedom(n_seeds, folds), 0)
    return [
        Contrast(
            difference=float(difference[n]),
            low=float(low[n]),
            high=float(high[n]),
            p_value=float(p_value[n]),
            n_seeds=n_seeds,
            n_pictures=n_pictures,
            confidence=confidence,
            components=fit.components(n),
            shared_freedom=float(shared[n]),
            n_folds=_count(folds),
            error=float(fit.error[n]),
        )
        for n in range(len(tables))
    ]


def _with_zero(low: Floats, high: Floats, where: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Bounds that include 0 where the p-value says that there may be no difference."""
    return np.where(where, np.minimum(low, 0), low), np.where(where, np.maximum(high, 0), high)


def _own_freedom(n_seeds: int, folds: Folds | None) -> float:
    """Of the variance between seeds or folds, the degrees of freedom that a table itself gives."""
    if folds is not None:
        return _count(folds) - 1.0
    return n_seeds - 1.0 if n_seeds > 1 else np.inf


def _fit(
    tables: Floats,
    size: Floats,
    n_differing: NDArray[np.int_],
    expected: Expected | None,
    folds: Folds | None,
    known_size: bool = True,
) -> TwoWay:
    if folds is None:
        return two_way(tables, size, n_differing, expected, known_size)
    return cross_validated(tables, folds, size, n_differing, expected, known_size)


def _count(folds: Folds | None) -> int:
    return 0 if folds is None else int(folds.max()) + 1


def mean_interval(
    correct: ArrayLike,
    confidence: float = 0.95,
    expected: Expected | None = None,
    folds: Folds | None = None,
) -> MeanAccuracy:
    """One cell's accuracy over its seeds and pictures, with an interval inside [0, 1].

    With one seed it is Wilson's interval for new pictures on these weights. With several it is
    Wilson's at the effective number of independent answers, as for complex surveys (Dean & Pagano
    2015, *J. Surv. Stat. Methodol.* 3:484), with this module's variance and critical value.

    Args:
        correct: Right or wrong, of shape (n_seeds, n_pictures): booleans, or 0 and 1.
        confidence: Of the interval, between 0 and 1.
        expected: What the cells of the study let expect of this one's seeds.
        folds: See `mean_effects`.

    Raises:
        ValueError: If the table is empty, not of two dimensions, or not of right and wrong.
    """
    table = right_or_wrong(correct, "correct")
    _check_confidence(confidence)
    n_seeds, n_pictures = table.shape
    mean = float(table.mean())
    if n_seeds == 1 and folds is None:
        answers, critical = float(n_pictures), float(special.ndtri((1 + confidence) / 2))
    else:
        # Around 1/2, so that the two pseudo-pictures are one right and one wrong throughout.
        around = table[np.newaxis].astype(np.float64) - 0.5
        fit = _fit(around, np.array([0.5]), np.array([n_pictures]), expected, folds)
        shrunk = 0.5 + fit.mean[0]
        answers = min(float(shrunk * (1 - shrunk) / fit.error[0] ** 2), float(table.size))
        critical = float(critical_value(1 - confidence, fit.sources)[0])
    spread = critical**2 / answers
    centre = (mean + spread / 2) / (1 + spread)
    half = np.sqrt(mean * (1 - mean) * spread + spread**2 / 4) / (1 + spread)
    return MeanAccuracy(
        mean=mean,
        # Wilson's bounds hold the mean; only rounding can put them slightly beyond it.
        low=min(max(float(centre - half), 0.0), mean),
        high=max(min(float(centre + half), 1.0), mean),
        n_seeds=n_seeds,
        n_pictures=n_pictures,
        confidence=confidence,
        n_folds=_count(folds),
    )


def score_interval(
    table: ArrayLike,
    confidence: float = 0.95,
    expected: Expected | None = None,
    folds: Folds | None = None,
) -> MeanAccuracy:
    """One cell's mean score over its seeds and pictures, with its interval.

    Args:
        table: A score of each answer, of shape (n_seeds, n_pictures), finite.
        confidence: Of the interval, between 0 and 1.
        expected: What the cells of the study let expect of this one's seeds.
        folds: See `mean_effects`.

    Raises:
        ValueError: If the table is empty, not of two dimensions, or holds what is not a number.
    """
    values = scores(table, "table")
    # Around the mean: the method adds an answer on either side of the middle of its scale.
    centre = float(values.mean())
    (found,) = mean_effects(values[np.newaxis] - centre, confidence, None, expected, folds)
    return MeanAccuracy(
        mean=centre,
        low=centre + found.low,
        high=centre + found.high,
        n_seeds=found.n_seeds,
        n_pictures=found.n_pictures,
        confidence=confidence,
        n_folds=found.n_folds,
    )


def right_or_wrong(table: ArrayLike, name: str) -> NDArray[np.bool_]:
    """`table` as booleans of shape (n_seeds, n_pictures).

    Raises:
        ValueError: If it is empty, not of two dimensions, or holds anything but right and wrong;
            the message begins with `name`.
    """
    values = np.asarray(table)
    if values.ndim != 2:
        raise ValueError(f"{name} has shape {values.shape}, not (n_seeds, n_pictures)")
    if not values.size:
        raise ValueError(f"{name} is empty: its shape is {values.shape}")
    if values.dtype == np.bool_:
        return values
    if values.dtype.kind not in "iuf" or not np.all((values == 0) | (values == 1)):
        raise ValueError(f"{name} holds more than right (true, 1) and wrong (false, 0)")
    return values.astype(np.bool_)


def scores(table: ArrayLike, name: str) -> Floats:
    """`table` as floats of shape (n_seeds, n_pictures).

    Raises:
        ValueError: If it is empty, not of two dimensions, or holds what is not a finite number;
            the message begins with `name`.
    """
    values = np.asarray(table, dtype=np.float64)
    if values.ndim != 2 or not values.size:
        raise ValueError(f"{name} has shape {values.shape}, not (n_seeds, n_pictures)")
    if not np.all(np.isfinite(values)):
        raise ValueError(f"{name} holds a score that is not a finite number")
    return values


def _checked_tables(values: ArrayLike, limit: float | None) -> Floats:
    tables = np.asarray(values)
    if tables.ndim != 3 or 0 in tables.shape[1:]:
        raise ValueError(f"values has shape {tables.shape}, not (n_tables, n_seeds, n_pictures)")
    if tables.dtype.kind not in "biuf":
        raise ValueError(f"values are of type {tables.dtype}, not numbers")
    tables = tables.astype(np.float64, copy=False)
    # Rounding of averages may go slightly beyond the limit.
    largest = np.abs(tables).max() if tables.size else 0.0
    if not np.isfinite(largest):
        raise ValueError("values holds one that is not a finite number")
    if limit is not None and largest > limit * (1 + 1e-9):
        raise ValueError(f"values holds one that is above {limit:g} in size")
    return tables


def _check_confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}, not between 0 and 1")
