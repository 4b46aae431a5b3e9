"""The variance of the mean of a (seeds, pictures) table, and what follows from it.

Every run of a cell answers the same pictures, and cells share their seeds. So a difference between
cells is a table of paired differences, one for each seed and picture, whose mean varies with both:
other seeds would give other weights, other pictures would be easier or harder. The two are crossed
(every seed meets every picture), and an interval that resamples only one of them is too narrow.

The variance of the mean of a table of S seeds and I pictures is estimated from the mean squares of
its two-way analysis of variance, (seeds + pictures - residual) / (S I): the method of moments for
crossed random effects (Searle, Casella & McCulloch 1992, *Variance Components*, ch. 4). Three
additions keep its coverage where seeds are few or accuracies are near 100 %:

- **Critical value.** The seeds' part of the variance is known from S - 1 degrees of freedom only.
  Satterthwaite's one effective number for the sum covers as little as 92 % with 3 seeds, and errs
  up to 16-fold at p = 0.001, where corrected claims live. Howe's interval (1974, *JASA* 69:789),
  whose squared half-width is the sum of each part's own squared half-width, covers up to 97.7 %.
  Between the two, t² = t_pictures² + (t_seeds² - t_pictures²) share^(1 + b (1 - share)), where
  `share` is the seeds' share of the variance and b = 4 alpha^(1 / (S - 1)), covers 94.8 to 96.0 %
  for every share from 3 seeds up, and errs at most 1.2-fold at p = 0.001 (by numerical integration
  over normal variates; with 2 seeds it is wider than necessary).
- **Pseudo-pictures.** As Bonett & Price (2012, *J. Educ. Behav. Stat.* 37:479) do for one paired
  table, two pictures are added, one in favour of each side, of the size that pictures on which the
  sides differ have here. Agreement on everything then gives a short interval, never an empty one.
- **Few pictures.** If the sides differ on k pictures only, chance alone puts all of them on one
  side with probability 2^(1-k), so no p-value is below that; with one seed none is below McNemar's
  exact one. The interval reaches to 0 wherever the p-value says that 0 is possible.

Where a study has several cells, the seeds' part is not estimated from the table alone: `moderation`
says what the cells let expect, and `_with_expected` how the two are combined.

Differences and accuracies are fractions throughout (0.01 is one point). How well all of this holds
on simulated studies with known truth is in `results/calibration/`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from ablation.report.claims.moderation import Expected

Floats = NDArray[np.float64]

PSEUDO_PICTURES = 2
_BEND = 4.0  # See "Critical value" above; 0 is Howe's interval.
_LEAST_OF_SEEDS = 0.6
LEAST_RATIO = 0.02  # Of the residuals of two runs that hardly differ.
# Where the sides differ on few pictures, only these say how much pictures vary. All pictures on
# which the sides agree count together as this many more.
_AGREEING = 20
# Runs' means of a loss are skewed, for which an interval from few seeds is too short.
SKEWED_RUNS = 1.06
TINY = 1e-300  # Avoids 0 / 0.
_SMALLEST_NORMAL_TAIL = 20.0  # Standard deviations: p-values stop at about 1e-88.


@dataclass(frozen=True)
class Components:
    """Variance of one entry of a (seeds, pictures) table, by where it comes from.

    With one seed the parts can't be separated: `seed` and `residual` are None, and `picture` is
    the variance between pictures on these weights.
    """

    seed: float | None
    picture: float
    residual: float | None


@dataclass(frozen=True)
class TwoWay:
    """Two-way analyses of variance of several tables, pseudo-pictures included; shapes (n,)."""

    mean: Floats
    error: Floats  # The mean's standard error.
    sources: "Sources"
    mean_squares: tuple[Floats, Floats, Floats]  # Of seeds, pictures, and the residual.
    n_seeds: int
    n_pictures: int  # With the pseudo-pictures.

    def components(self, n: int) -> Components:
        """The components of variance of table `n`."""
        seeds, pictures, residual = (float(square[n]) for square in self.mean_squares)
        if self.n_seeds == 1:
            return Components(seed=None, picture=pictures, residual=None)
        return Components(
            seed=max(seeds - residual, 0.0) / self.n_pictures,
            picture=max(pictures - residual, 0.0) / self.n_seeds,
            residual=residual,
        )


def two_way(
    tables: Floats,
    size: Floats,
    n_differing: NDArray[np.int_],
    expected: Expected | None = None,
    known_size: bool = True,
) -> TwoWay:
    """Analyse tables after adding two pseudo-pictures to each.

    Args:
        tables: of shape (n, n_seeds, n_pictures).
        size: of the pseudo-pictures, which are +size and -size under every seed; shape (n,).
        n_differing: on how many pictures the sides of each table differ; shape (n,).
        expected: of each table, what the cells of the study let expect; None where a table has
            only itself to learn from.
        known_size: whether every answer counts alike, as right and wrong do. Where some count for
            much more than others, they say how much pictures vary.
    """
    n_tables, n_seeds, n_pictures = tables.shape
    n_augmented = n_pictures + PSEUDO_PICTURES
    pseudo = np.stack([size, -size], axis=1)
    of_pictures = np.concatenate([tables.mean(axis=1), pseudo], axis=1)
    of_seeds = tables.mean(axis=2) * (n_pictures / n_augmented)  # Pseudo-pictures add up to 0.
    mean = of_pictures.mean(axis=1)

    between_pictures = n_seeds * np.sum((of_pictures - mean[:, None]) ** 2, axis=1)
    pictures = between_pictures / (n_augmented - 1)
    seeds = residual = np.zeros(n_tables)
    freedom = np.full(n_tables, max(n_seeds - 1.0, 1.0))
    if n_seeds > 1:
        between_seeds = n_augmented * np.sum((of_seeds - mean[:, None]) ** 2, axis=1)
        squares = np.einsum("nsi,nsi->n", tables, tables) + 2 * n_seeds * size**2
        rest = squares - n_seeds * n_augmented * mean**2 - between_pictures - between_seeds
        seeds = between_seeds / (n_seeds - 1)
        residual = np.maximum(rest, 0) / ((n_seeds - 1) * (n_augmented - 1))
        if expected is not None:
            # A variance of means over the pictures as the mean square that it would give here.
            scale = n_pictures**2 / n_augmented
            likeness = residual * (n_augmented - 1) / max(n_pictures - 1, 1)
            seeds, freedom = _with_expected(seeds, likeness, scale, n_seeds - 1, expected)
        if not known_size:
            seeds = SKEWED_RUNS * seeds
    variance, sources = variance_of_sum(
        seeds,
        pictures,
        residual,
        seed_freedom=freedom,
        picture_freedom=picture_freedom(of_pictures - mean[:, None], n_differing, known_size),
    )
    return TwoWay(
        mean=mean,
        error=np.sqrt(variance / (n_seeds * n_augmented)),
        sources=sources,
        mean_squares=(seeds, pictures, residual),
        n_seeds=n_seeds,
        n_pictures=n_augmented,
    )


def picture_freedom(deviations: Floats, n_differing: NDArray[np.int_], known_size: bool) -> Floats:
    """The degrees of freedom of the variance between pictures, of shape (n,).

    Args:
        deviations: of the pictures' means from their mean, of shape (n, n_pictures).
        n_differing, known_size: see `two_way`.
    """
    n_pictures = deviations.shape[1]
    most: Floats = np.minimum(n_pictures - 1.0, n_differing + _AGREEING)
    return most if known_size else np.minimum(most, _effective_pictures(deviations))


def _effective_pictures(deviations: Floats) -> Floats:
    """How many pictures of a symmetric distribution would say as much about their mean.

    Where a few pictures count for much more than the others, on one side, a t interval covers too
    little: its error grows with the squared skewness over n (Hall 1987, *Ann. Probab.* 15:920).
    That is what an interval of n / (1 + skewness²) degrees of freedom makes up for at 95 %.

    Args:
        deviations: of the pictures' means from their mean, of shape (n, n_pictures).
    """
    n_pictures = deviations.shape[1]
    variance = np.maximum((deviations**2).mean(axis=1), TINY)
    squared = (deviations**3).mean(axis=1) ** 2 / variance**3
    by_chance = (deviations**6).mean(axis=1) / n_pictures / variance**3
    effective: Floats = n_pictures / (1 + np.maximum(squared - by_chance, 0))
    return np.maximum(effective, 2.0)


def _with_expected(
    seeds: Floats, residual: Floats, scale: float, own: int, expected: Expected
) -> tuple[Floats, Floats]:
    """The seeds' mean square of tables, combined with what their cells let expect.

    The cells' variances add up where their runs are independent. Runs of one seed may be much
    alike, though: then their answers to single pictures are, too, so that the residual of their
    difference is smaller than those of its sides together. By that ratio, which many pictures make
    precise, the expected variance is reduced, and so is its weight beside the table's own.

    Args:
        seeds: the tables' own mean squares, of shape (n,).
        residual: their residual mean squares, of shape (n,).
        scale: mean square / variance of the means over the pictures.
        own: degrees of freedom of `seeds`.
        expected: of each table.

    Returns:
        The mean squares and their degrees of freedom, of shape (n,).
    """
    alike = np.clip(residual / np.maximum(expected.residual, TINY), LEAST_RATIO, 1)
    ratio = np.where(expected.residual > 0, alike, 1.0)
    weight = expected.freedom * ratio
    combined = (weight * ratio * expected.variance * scale + own * seeds) / (weight + own)
    return combined, np.maximum(np.minimum(expected.freedom, weight + own), own)


@dataclass(frozen=True)
class Sources:
    """What the variance of a mean consists of, and how well each part is known; shapes (n,)."""

    seed_share: Floats  # Of the variance, between 0 and 1.
    seed_freedom: Floats
    picture_ratio: Floats  # What the pictures' mean square alone would give, over the variance.
    picture_freedom: Floats | NDArray[np.int_]


def variance_of_sum(
    seeds: Floats,
    pictures: Floats,
    residual: Floats,
    *,
    seed_freedom: Floats,
    picture_freedom: Floats | NDArray[np.int_],
) -> tuple[Floats, Sources]:
    """The variance of the sum of a table divided by S I, and how well it is known.

    Args:
        seeds: mean square of the seeds in the two-way analysis, of shape (n,).
        pictures: that of the pictures.
        residual: that of the rest.
        seed_freedom: degrees of freedom of the seeds' mean square, of shape (n,).
        picture_freedom: of the pictures', of shape (n,).

    Returns:
        The variance, which is S I times the squared standard error of the mean, and its sources.
    """
    # Replacing a negative (pictures - residual) by 0 would bias the variance upwards. But 3 seeds
    # say little about their own variance, so chance must not make it much smaller either.
    variance = np.maximum(seeds + pictures - residual, _LEAST_OF_SEEDS * seeds)
    variance = np.maximum(np.maximum(variance, 0.01 * pictures), TINY)
    return variance, Sources(
        seed_share=np.minimum(seeds / variance, 1),
        seed_freedom=seed_freedom,
        picture_ratio=pictures / variance,
        picture_freedom=picture_freedom,
    )


def size_where_differing(tables: Floats, n_differing: NDArray[np.int_]) -> Floats:
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


def smallest_p(tables: Floats, n_differing: NDArray[np.int_], is_one_run: bool) -> Floats:
    """The smallest p-value that is possible, of shape (n,); see "Few pictures" above.

    Args:
        tables, n_differing: see `two_way`.
        is_one_run: whether each table has one run only, about whose weights alone is spoken.
    """
    smallest = np.exp2(1.0 - np.maximum(n_differing, 1))
    if not is_one_run:
        return smallest
    whole = np.all(np.isin(tables, (-1, 0, 1)), axis=(1, 2))
    fewer = np.minimum(np.sum(tables > 0, axis=(1, 2)), np.sum(tables < 0, axis=(1, 2)))
    mcnemar = np.minimum(2 * special.bdtr(fewer.astype(np.float64), n_differing, 0.5), 1)
    return np.where(whole, mcnemar, smallest)


def critical_value(alpha: float | Floats, sources: Sources) -> Floats:
    """How many standard errors the two-sided interval of level 1 - alpha extends to each side."""
    seeds = special.stdtrit(sources.seed_freedom, np.asarray(alpha) / 2) ** 2
    pictures = special.stdtrit(sources.picture_freedom, np.asarray(alpha) / 2) ** 2
    share = sources.seed_share
    bend = _BEND * np.asarray(alpha) ** (1 / sources.seed_freedom)
    squared = pictures + (seeds - pictures) * share ** (1 + bend * (1 - share))
    # Seeds whose means agree by chance must not make a p-value small: the smaller alpha is, the
    # larger the part of the pictures' own mean square that is always kept. At 0.05 it is a sixth,
    # so that intervals are not too wide.
    least = np.maximum(1 - 2 * np.sqrt(alpha), 0) ** 3 * sources.picture_ratio * pictures
    critical: Floats = np.sqrt(np.maximum(squared, least))
    return critical


def p_value_of(statistic: Floats, sources: Sources) -> Floats:
    """The alpha whose critical value is `statistic`, by bisection on the normal scale."""
    low, high = np.zeros_like(statistic), np.full_like(statistic, _SMALLEST_NORMAL_TAIL)
    for _ in range(32):
        middle = (low + high) / 2
        beyond = critical_value(2 * special.ndtr(-middle), sources) < statistic
        low, high = np.where(beyond, middle, low), np.where(beyond, high, middle)
    p_value: Floats = 2 * special.ndtr(-(low + high) / 2)
    return p_value
