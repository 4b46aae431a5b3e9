"""Differences and accuracies of cross-validated runs, for new training sets and new pictures.

In a division of the pictures into K folds each run is trained on K - 1 folds and judged on the
one left, so that all pictures are judged once. Two things make its mean vary: which pictures
are judged, and what the runs happened to be trained on and started from. The second shows in how
much more the folds' means differ than their pictures explain. But the runs' training sets overlap,
so that it does not average out over the folds: Nadeau & Bengio (2003, *Mach. Learn.* 52:239) take
the runs' results to be correlated by the share of the pictures that is judged, 1 / K, whatever the
number of divisions R. The variance of the mean is then that of the pictures, and of the runs
1 / (R K) + 1 / (K - 1) times their variance. (They apply this to the whole variance of the folds'
means. Here pictures are compared one by one, so their part is known apart, and known better.)
Where there are several divisions, they show how much of the runs' variance is independent between
runs, and that part is only divided by R K.

The variance of the runs is that of the folds' means within a division, less what their pictures
explain. It is known from K - 1 degrees of freedom, however many divisions there are, since all
share the same pictures; `moderation` adds what the other cells of the study let expect.

How well this holds for classifiers that were trained on known distributions is in
`results/calibration/`.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ablation.report.claims.moderation import Expected, Parts
from ablation.report.claims.two_way import (
    LEAST_RATIO,
    PSEUDO_PICTURES,
    SKEWED_RUNS,
    TINY,
    Sources,
    TwoWay,
    picture_freedom,
)

Floats = NDArray[np.float64]
Folds = NDArray[np.int64]


def fold_means(tables: Floats, folds: Folds) -> Floats:
    """The mean over each fold's pictures, of shape (n, n_divisions, n_folds).

    Args:
        tables: of shape (n, n_divisions, n_pictures).
        folds: of each division and picture, the fold that it is judged in, from 0: of shape
            (n_divisions, n_pictures).
    """
    n_folds = int(folds.max()) + 1
    found = np.empty((*tables.shape[:2], n_folds))
    for division, of_pictures in enumerate(folds):
        judged = of_pictures[:, None] == np.arange(n_folds)
        found[:, division] = tables[:, division] @ (judged / judged.sum(axis=0))
    return found


def between_and_within(tables: Floats, folds: Folds) -> tuple[Floats, Floats]:
    """How much the folds' means vary within a division, and how much of it pictures explain.

    Args:
        tables, folds: see `fold_means`.

    Returns:
        Two variances of shape (n,), means over the divisions: of the folds' means, and of the
        mean of a fold's pictures, which vary within their fold.
    """
    means = fold_means(tables, folds)
    n_folds = means.shape[2]
    sizes = np.stack([np.bincount(of_pictures, minlength=n_folds) for of_pictures in folds])
    squares = np.einsum("nri,nri->nr", tables, tables) - np.einsum("nrk,rk->nr", means**2, sizes)
    within = np.maximum(squares, 0) / max(tables.shape[2] - n_folds, 1)
    of_means = within * (1 / sizes).mean(axis=1)
    return means.var(axis=2, ddof=1).mean(axis=1), of_means.mean(axis=1)


def cross_validated(
    tables: Floats,
    folds: Folds,
    size: Floats,
    n_differing: NDArray[np.int_],
    expected: Expected | None = None,
    known_size: bool = True,
) -> TwoWay:
    """The means of several tables with their errors, as `two_way.two_way` for plain runs.

    Args:
        tables: of shape (n, n_divisions, n_pictures).
        folds: see `fold_means`.
        size: of the pseudo-pictures, of shape (n,).
        n_differing: on how many pictures the sides of each table differ; shape (n,).
        expected: of each table, what the cells of the study let expect of its folds.
        known_size: whether every answer counts alike, as right and wrong do.
    """
    _, n_divisions, n_pictures = tables.shape
    n_folds = int(folds.max()) + 1
    n_augmented = n_pictures + PSEUDO_PICTURES
    of_pictures = np.concatenate([tables.mean(axis=1), np.stack([size, -size], axis=1)], axis=1)
    mean = of_pictures.mean(axis=1)
    deviations = of_pictures - mean[:, None]
    of_all = np.sum(deviations**2, axis=1) / (n_augmented - 1) / n_augmented

    between, within = between_and_within(tables, folds)
    freedom = np.full(len(tables), n_folds - 1.0)
    if expected is not None:
        between, freedom = _with_expected(between, within, n_folds - 1, expected)
    if not known_size:
        between = SKEWED_RUNS * between
    beyond = np.maximum(between - within, 0)
    common = 1 - _independent_share(tables, n_folds, beyond)
    scale = 1 / (n_divisions * n_folds) + common / (n_folds - 1)
    variance = np.maximum(of_all + scale * beyond, TINY)
    sources = Sources(
        seed_share=scale * beyond / variance,
        seed_freedom=freedom,
        picture_ratio=of_all / variance,
        picture_freedom=picture_freedom(deviations, n_differing, known_size),
    )
    answers = n_divisions * n_augmented
    return TwoWay(
        mean=mean,
        error=np.sqrt(variance),
        sources=sources,
        # In the units of one answer, as those of plain runs.
        mean_squares=(answers * scale * beyond, answers * of_all, np.zeros(len(tables))),
        n_seeds=n_divisions,
        n_pictures=n_augmented,
    )


def _with_expected(
    between: Floats, within: Floats, own: int, expected: Expected
) -> tuple[Floats, Floats]:
    """The variance of the folds' means, combined with what the cells of the study let expect.

    Of two cells that variance adds up as far as it is the runs'. What pictures explain of it does
    not, since pictures are compared one by one. Cells that answer much alike, such as two weak
    penalties on a frozen trunk, have runs that are alike, too, so less is expected of them.
    Pictures are hard or easy for all cells, which alone takes up to two thirds of what they
    explain: only below that the answers are taken to be alike.

    Args:
        between, within: see `between_and_within`, of shape (n,).
        own: degrees of freedom of `between`.
        expected: of each table.

    Returns:
        The variances and their degrees of freedom, of shape (n,).
    """
    alike = np.clip(3 * within / np.maximum(expected.residual, TINY), LEAST_RATIO, 1)
    of_runs = alike * np.maximum(expected.variance - expected.residual, 0)
    whole = np.maximum(expected.variance, TINY)
    weight = expected.freedom * alike * np.minimum((of_runs + within) / whole, 1) ** 2
    combined = (weight * (of_runs + within) + own * between) / (weight + own)
    return combined, np.maximum(np.minimum(expected.freedom, weight + own), own)


def _independent_share(tables: Floats, n_folds: int, beyond: Floats) -> Floats:
    """The share of the runs' variance that is independent between runs, as far as it is seen.

    Divisions have all pictures in common. If their means differ by more than the answers to single
    pictures explain, then by what runs started from, which does average out.

    Args:
        tables: of shape (n, n_divisions, n_pictures).
        n_folds: of each division.
        beyond: the variance between runs, of shape (n,).
    """
    _, n_divisions, n_pictures = tables.shape
    if n_divisions == 1:
        return np.zeros(len(tables))
    of_answers = tables.var(axis=1, ddof=1).mean(axis=1) / n_pictures
    of_divisions = tables.mean(axis=2).var(axis=1, ddof=1)
    found: Floats = n_folds * np.maximum(of_divisions - of_answers, 0) / np.maximum(beyond, TINY)
    return np.minimum(found, 1)


def parts_of_folds(scores: NDArray[Any], folds: Folds) -> Parts:
    """What is known of one cell; see `moderation.parts_of_runs`.

    Args:
        scores: of each division and picture, of shape (n_divisions, n_pictures).
        folds: see `fold_means`.
    """
    table = np.asarray(scores, dtype=np.float64)
    between, within = between_and_within(table[np.newaxis], folds)
    n_folds = int(folds.max()) + 1
    return Parts(
        between_seeds=float(between[0]),
        within=float(table.var(axis=1).mean()),
        residual=float(within[0]),
        freedom=n_folds - 1.0,
        n_pictures=table.shape[1] / n_folds,
    )
