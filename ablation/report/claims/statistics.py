"""What right/wrong tables of shape (seeds, pictures) can and cannot tell.

Every run of a cell answers the same pictures, and cells share their seeds. So a difference between
cells is a table of paired differences, one for each seed and picture, whose mean varies with both:
other seeds would give other weights, other pictures would be easier or harder. The two are crossed
(every seed meets every picture), and an interval that resamples only one of them is too narrow.

The variance of the mean of a table of S seeds and I pictures is estimated from the mean squares of
its two-way analysis of variance, (seeds + pictures - residual) / (S I): the method of moments for
crossed random effects (Searle, Casella & McCulloch 1992, *Variance Components*, ch. 4). Three
additions keep it honest where seeds are few or cells are near 100 %:

- **Critical value.** The seeds' part of the variance is known from S - 1 degrees of freedom only.
  Satterthwaite's one effective number for the sum covers as little as 92 % with 3 seeds, and errs
  up to 16-fold at p = 0.001, where corrected claims live. Howe's interval (1974, *JASA* 69:789),
  whose squared half-width is the sum of each part's own squared half-width, covers up to 97.7 %.
  Between the two, t² = t_pictures² + (t_seeds² - t_pictures²) share^(1 + b (1 - share)), where
  `share` is the seeds' share of the variance and b = 4 alpha^(1 / (S - 1)), covers 94.8 to 96.0 %
  for every share from 3 seeds up, and errs at most 1.2-fold at p = 0.001 (by numerical integration
  over normal variates; with 2 seeds it is wider than need be).
- **Pseudo-pictures.** As Bonett & Price (2012, *J. Educ. Behav. Stat.* 37:479) do for one paired
  table, two pictures are added, one in favour of each side, of the size that pictures on which the
  sides differ have here. Agreement on everything then gives a short interval, never an empty one.
- **Few pictures.** If the sides differ on k pictures only, chance alone puts all of them on one
  side with probability 2^(1-k), so no p-value is below that; with one seed none is below McNemar's
  exact one. The interval reaches to 0 wherever the p-value says that 0 is possible.

Differences and accuracies are fractions throughout (0.01 is one point). How well all of this holds
on simulated studies with known truth is in `results/calibration/`.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

Floats = NDArray[np.float64]
Covers = Literal["pictures", "seeds and pictures"]

_PSEUDO_PICTURES = 2
_BEND = 4.0  # See "Critical value" above; 0 is Howe's interval.
_LEAST_OF_SEEDS = 0.6
# Where the sides differ on few pictures, these alone say how much pictures vary; the agreeing ones
# count as this many more.
_AGREEING = 20
_TINY = 1e-300  # Against 0 / 0.
_SMALLEST_NORMAL_TAIL = 20.0  # Standard deviations: p-values stop at about 1e-88.


@dataclass(frozen=True)
class Components:
    """Variance of one entry of a (seeds, pictures) table, by where it comes from.

    With one seed, which cannot tell them apart, `seed` and `residual` are None, and `picture` is
    the variance between pictures on these weights.
    """

    seed: float | None
    picture: float
    residual: float | None


@dataclass(frozen=True)
class Contrast:
    """A mean difference, as a fraction, with its interval and the p-value of "there is none".

    `p_value < 1 - confidence` exactly where the interval leaves out 0.
    """

    difference: float
    low: float
    high: float
    p_value: float
    n_seeds: int
    n_images: int
    confidence: float
    components: Components

    @property
    def covers(self) -> Covers:
        """What the interval holds for: one seed says nothing about other seeds."""
        return "pictures" if self.n_seeds == 1 else "seeds and pictures"

    @property
    def excludes_zero(self) -> bool:
        return self.low > 0 or self.high < 0

    def reversed(self) -> "Contrast":
        """The same contrast, b minus a."""
        # 0.0 - x, not -x: a difference of -0.0 would be printed with its sign.
        return replace(
            self, difference=0.0 - self.difference, low=0.0 - self.high, high=0.0 - self.low
        )


@dataclass(frozen=True)
class MeanAccuracy:
    """One cell's mean accuracy, a fraction, with its interval."""

    mean: float
    low: float
    high: float
    n_seeds: int
    n_images: int
    confidence: float

    @property
    def covers(self) -> Covers:
        return "pictures" if self.n_seeds == 1 else "seeds and pictures"


def contrast(correct_a: ArrayLike, correct_b: ArrayLike, confidence: float = 0.95) -> Contrast:
    """The accuracy of a minus that of b, paired over the same seeds and pictures.

    Args:
        correct_a, correct_b: Right or wrong, of shape (n_seeds, n_images): booleans, or 0 and 1.
            Row s of both is one seed, column i of both is one picture.
        confidence: Of the interval, between 0 and 1.

    Returns:
        A difference between -1 and 1. The interval is for new seeds and new pictures alike; with
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
    """The mean of one real-valued table of shape (n_seeds, n_images); see `mean_effects`."""
    table = np.asarray(values)
    if table.ndim != 2:
        raise ValueError(f"values has shape {table.shape}, not (n_seeds, n_images)")
    return mean_effects(table[np.newaxis], confidence, limit)[0]


def mean_effects(values: ArrayLike, confidence: float = 0.95, limit: float = 1.0) -> list[Contrast]:
    """The mean of each of several tables, for new seeds and new pictures.

    The tables may be differences between two cells, such differences averaged over matched pairs of
    cells, or differences of differences (interactions).

    Args:
        values: Of shape (n_tables, n_seeds, n_images), finite, at most `limit` in size.
        confidence: Of the intervals, between 0 and 1.
        limit: The largest possible effect: 1 for a difference, 2 for a difference of differences.

    Raises:
        ValueError: If the shape is another, a dimension is empty, or a value is out of range.
    """
    tables = _checked_tables(values, limit)
    _check_confidence(confidence)
    if not len(tables):
        return []
    _, n_seeds, n_images = tables.shape

    differing = np.abs(tables).max(axis=1) > 1e-9
    n_differing = np.count_nonzero(differing, axis=1)
    fit = _two_way(tables, _size_where_differing(tables, n_differing), n_differing)

    statistic = np.abs(fit.mean) / fit.error
    p_value = _p_value(statistic, fit.sources)
    p_value = np.maximum(p_value, _smallest_p(tables, n_differing))

    half = _critical_value(1 - confidence, fit.sources) * fit.error
    difference = tables.mean(axis=(1, 2))
    low = np.minimum(np.maximum(fit.mean - half, -limit), difference)
    high = np.maximum(np.minimum(fit.mean + half, limit), difference)
    possible = p_value >= 1 - confidence
    low = np.where(possible, np.minimum(low, 0), low)
    high = np.where(possible, np.maximum(high, 0), high)
    return [
        Contrast(
            difference=float(difference[n]),
            low=float(low[n]),
            high=float(high[n]),
            p_value=float(p_value[n]),
            n_seeds=n_seeds,
            n_images=n_images,
            confidence=confidence,
            components=fit.components(n),
        )
        for n in range(len(tables))
    ]


def mean_interval(correct: ArrayLike, confidence: float = 0.95) -> MeanAccuracy:
    """One cell's accuracy over its seeds and pictures, with an interval inside [0, 1].

    With one seed it is Wilson's interval for new pictures on these weights. With several it is
    Wilson's at the effective number of independent answers, as for complex surveys (Dean & Pagano
    2015, *J. Surv. Stat. Methodol.* 3:484), with this module's variance and critical value.

    Args:
        correct: Right or wrong, of shape (n_seeds, n_images): booleans, or 0 and 1.
        confidence: Of the interval, between 0 and 1.

    Raises:
        ValueError: If the table is empty, not of two dimensions, or not of right and wrong.
    """
    table = right_or_wrong(correct, "correct")
    _check_confidence(confidence)
    n_seeds, n_images = table.shape
    mean = float(table.mean())
    if n_seeds == 1:
        answers, critical = float(n_images), float(special.ndtri((1 + confidence) / 2))
    else:
        # Around 1/2, so that the two pseudo-pictures are one right and one wrong throughout.
        fit = _two_way(
            table[np.newaxis].astype(np.float64) - 0.5, np.array([0.5]), np.array([n_images])
        )
        shrunk = 0.5 + fit.mean[0]
        answers = min(float(shrunk * (1 - shrunk) / fit.error[0] ** 2), float(table.size))
        critical = float(_critical_value(1 - confidence, fit.sources)[0])
    spread = critical**2 / answers
    centre = (mean + spread / 2) / (1 + spread)
    half = np.sqrt(mean * (1 - mean) * spread + spread**2 / 4) / (1 + spread)
    return MeanAccuracy(
        mean=mean,
        # Wilson's bounds hold the mean; only rounding can put them a hair beyond it.
        low=min(max(float(centre - half), 0.0), mean),
        high=max(min(float(centre + half), 1.0), mean),
        n_seeds=n_seeds,
        n_images=n_images,
        confidence=confidence,
    )


def right_or_wrong(table: ArrayLike, name: str) -> NDArray[np.bool_]:
    """`table` as booleans of shape (n_seeds, n_images).

    Raises:
        ValueError: If it is empty, not of two dimensions, or holds anything but right and wrong;
            the message begins with `name`.
    """
    values = np.asarray(table)
    if values.ndim != 2:
        raise ValueError(f"{name} has shape {values.shape}, not (n_seeds, n_images)")
    if not values.size:
        raise ValueError(f"{name} is empty: its shape is {values.shape}")
    if values.dtype == np.bool_:
        return values
    if values.dtype.kind not in "iuf" or not np.all((values == 0) | (values == 1)):
        raise ValueError(f"{name} holds more than right (true, 1) and wrong (false, 0)")
    return values.astype(np.bool_)


@dataclass(frozen=True)
class _TwoWay:
    """Two-way analyses of variance of several tables, pseudo-pictures included; shapes (n,)."""

    mean: Floats
    error: Floats  # The mean's standard error.
    sources: "_Sources"
    mean_squares: tuple[Floats, Floats, Floats]  # Of seeds, pictures, and the residual.
    n_seeds: int
    n_images: int  # With the pseudo-pictures.

    def components(self, n: int) -> Components:
        seeds, pictures, residual = (float(square[n]) for square in self.mean_squares)
        if self.n_seeds == 1:
            return Components(seed=None, picture=pictures, residual=None)
        return Components(
            seed=max(seeds - residual, 0.0) / self.n_images,
            picture=max(pictures - residual, 0.0) / self.n_seeds,
            residual=residual,
        )


def _two_way(tables: Floats, size: Floats, n_differing: NDArray[np.int_]) -> _TwoWay:
    """Analyse tables (n, S, I), to each of which a picture of +size and one of -size is added.

    On `n_differing` pictures of each table the sides differ.
    """
    n_tables, n_seeds, n_images = tables.shape
    n_augmented = n_images + _PSEUDO_PICTURES
    pseudo = np.stack([size, -size], axis=1)
    of_pictures = np.concatenate([tables.mean(axis=1), pseudo], axis=1)
    of_seeds = tables.mean(axis=2) * (n_images / n_augmented)  # Pseudo-pictures add up to 0.
    mean = of_pictures.mean(axis=1)

    between_pictures = n_seeds * np.sum((of_pictures - mean[:, None]) ** 2, axis=1)
    pictures = between_pictures / (n_augmented - 1)
    seeds = residual = np.zeros(n_tables)
    if n_seeds > 1:
        between_seeds = n_augmented * np.sum((of_seeds - mean[:, None]) ** 2, axis=1)
        squares = np.einsum("nsi,nsi->n", tables, tables) + 2 * n_seeds * size**2
        rest = squares - n_seeds * n_augmented * mean**2 - between_pictures - between_seeds
        seeds = between_seeds / (n_seeds - 1)
        residual = np.maximum(rest, 0) / ((n_seeds - 1) * (n_augmented - 1))
    variance, sources = _known_from(
        seeds,
        pictures,
        residual,
        seed_freedom=max(n_seeds - 1, 1),
        picture_freedom=np.minimum(n_augmented - 1, n_differing + _AGREEING),
    )
    return _TwoWay(
        mean=mean,
        error=np.sqrt(variance / (n_seeds * n_augmented)),
        sources=sources,
        mean_squares=(seeds, pictures, residual),
        n_seeds=n_seeds,
        n_images=n_augmented,
    )


@dataclass(frozen=True)
class _Sources:
    """Where what is known of a mean's variance comes from; shapes (n,)."""

    seed_share: Floats  # Of the variance, between 0 and 1.
    seed_freedom: int
    picture_ratio: Floats  # What the pictures' mean square alone would give, over the variance.
    picture_freedom: NDArray[np.int_]


def _known_from(
    seeds: Floats,
    pictures: Floats,
    residual: Floats,
    *,
    seed_freedom: int,
    picture_freedom: NDArray[np.int_],
) -> tuple[Floats, _Sources]:
    """The variance of S I times the mean, from the mean squares, and how well it is known."""
    # Cut at seeds + 0 where pictures < residual, it would be biased upwards; but what 3 seeds say
    # of their variance is uncertain enough without being made much smaller by chance.
    variance = np.maximum(seeds + pictures - residual, _LEAST_OF_SEEDS * seeds)
    variance = np.maximum(np.maximum(variance, 0.01 * pictures), _TINY)
    return variance, _Sources(
        seed_share=np.minimum(seeds / variance, 1),
        seed_freedom=seed_freedom,
        picture_ratio=pictures / variance,
        picture_freedom=picture_freedom,
    )


def _size_where_differing(tables: Floats, n_differing: NDArray[np.int_]) -> Floats:
    """The root mean square, over pictures on which the sides differ, of their mean over seeds.

    A picture that is 1 under every seed counts as 1. One that is 1 under a single seed of S counts
    as 1 / S, so that answers which vary from run to run count as single answers, not as pictures.
    Where the sides differ nowhere, a whole picture is assumed.
    """
    n_seeds = tables.shape[1]
    lasting = np.sum(tables.mean(axis=1) ** 2, axis=1)
    passing = np.einsum("nsi,nsi->n", tables, tables) / n_seeds**2
    # Of differences that cancel over the seeds, `lasting` would say that they have no size.
    size: Floats = np.sqrt(np.maximum(lasting, passing) / np.maximum(n_differing, 1))
    return np.where(n_differing > 0, size, 1.0)


def _smallest_p(tables: Floats, n_differing: NDArray[np.int_]) -> Floats:
    """The p-value that no method may go below, of shape (n,); see "Few pictures" above."""
    smallest = np.exp2(1.0 - np.maximum(n_differing, 1))
    if tables.shape[1] > 1:
        return smallest
    whole = np.all(np.isin(tables, (-1, 0, 1)), axis=(1, 2))
    fewer = np.minimum(np.sum(tables > 0, axis=(1, 2)), np.sum(tables < 0, axis=(1, 2)))
    mcnemar = np.minimum(2 * special.bdtr(fewer.astype(np.float64), n_differing, 0.5), 1)
    return np.where(whole, mcnemar, smallest)


def _critical_value(alpha: float | Floats, sources: _Sources) -> Floats:
    """How many standard errors the two-sided interval of level 1 - alpha reaches."""
    seeds = special.stdtrit(sources.seed_freedom, np.asarray(alpha) / 2) ** 2
    pictures = special.stdtrit(sources.picture_freedom, np.asarray(alpha) / 2) ** 2
    share = sources.seed_share
    bend = _BEND * np.asarray(alpha) ** (1 / sources.seed_freedom)
    squared = pictures + (seeds - pictures) * share ** (1 + bend * (1 - share))
    # Seeds whose means agree by chance must not carry a small p-value: the smaller it is, the less
    # of the pictures' own mean square is forgone. At 0.05 it is a sixth, so as not to be too wide.
    least = np.maximum(1 - 2 * np.sqrt(alpha), 0) ** 3 * sources.picture_ratio * pictures
    critical: Floats = np.sqrt(np.maximum(squared, least))
    return critical


def _p_value(statistic: Floats, sources: _Sources) -> Floats:
    """The alpha whose critical value is `statistic`, by bisection on the normal scale."""
    low, high = np.zeros_like(statistic), np.full_like(statistic, _SMALLEST_NORMAL_TAIL)
    for _ in range(32):
        middle = (low + high) / 2
        beyond = _critical_value(2 * special.ndtr(-middle), sources) < statistic
        low, high = np.where(beyond, middle, low), np.where(beyond, high, middle)
    p_value: Floats = 2 * special.ndtr(-(low + high) / 2)
    return p_value


def _checked_tables(values: ArrayLike, limit: float) -> Floats:
    tables = np.asarray(values)
    if tables.ndim != 3 or 0 in tables.shape[1:]:
        raise ValueError(f"values has shape {tables.shape}, not (n_tables, n_seeds, n_images)")
    if tables.dtype.kind not in "biuf":
        raise ValueError(f"values are of type {tables.dtype}, not numbers")
    tables = tables.astype(np.float64, copy=False)
    # Rounding of averages may go a hair beyond the limit. NaN compares false with everything.
    if tables.size and not (np.abs(tables).max() <= limit * (1 + 1e-9)):
        raise ValueError(f"values holds one that is not a number, or beyond {limit:g} in size")
    return tables


def _check_confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}, not between 0 and 1")
