"""The share of the variance that each factor explains."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

from ablation.report.claims.statistics import Floats


def variance_shares(accuracy: ArrayLike, factors: Sequence[str]) -> dict[str, float]:
    """The share of the variance of runs' accuracies that each factor explains, over a full grid.

    A balanced analysis of variance by direct sums of squares: each factor, each pair of factors,
    the seeds (every cell has runs of the same seeds), and the rest. Each share is Kelley's
    epsilon squared (1935), which moves from a factor to the rest what chance alone would give it;
    a share that would be negative is 0.

    Args:
        accuracy: Of shape (levels of the first factor, ..., levels of the last, n_seeds), finite.
        factors: The names of all dimensions but the last.

    Returns:
        Shares that add up to 1, under "transfer", "transfer × reg", "seed" (if there are several)
        and "rest", in this order.

    Raises:
        ValueError: If the shape does not fit the factors, a value is not finite, or all are equal.
    """
    grid = _checked(accuracy, factors)
    deviation = grid - grid.mean()
    total = float(np.sum(deviation**2))
    if total <= 1e-12 * max(float(np.sum(grid**2)), 1e-300):
        raise ValueError("accuracy is the same in every run: there is no variance to share")
    terms = _terms(deviation, factors)
    squares = {
        name: float(np.sum(effect**2)) * grid.size / effect.size
        for name, (effect, _) in terms.items()
    }
    rest_freedom = grid.size - 1 - sum(freedom for _, freedom in terms.values())
    rest = max(total - sum(squares.values()), 0.0)
    chance = rest / rest_freedom if rest_freedom > 0 else 0.0
    shares = {
        name: max(squares[name] - freedom * chance, 0.0) / total
        for name, (_, freedom) in terms.items()
    }
    return {**shares, "rest": max(1 - sum(shares.values()), 0.0)}


def _checked(accuracy: ArrayLike, factors: Sequence[str]) -> Floats:
    grid = np.asarray(accuracy, dtype=np.float64)
    if grid.ndim != len(factors) + 1 or not grid.size:
        raise ValueError(
            f"accuracy has shape {grid.shape}: not one dimension for each factor and one for seeds"
        )
    if not np.all(np.isfinite(grid)):
        raise ValueError("accuracy holds a value that is not finite")
    return grid


def _terms(deviation: Floats, factors: Sequence[str]) -> dict[str, tuple[Floats, int]]:
    """Each source of variance → its effects, broadcast over the grid, and its degrees of freedom.

    Args:
        deviation: from the mean over the grid, of the grid's shape.
        factors: the names of all dimensions but the last, which is the seeds.
    """
    shape = deviation.shape

    def between(*axes: int) -> Floats:
        others = tuple(axis for axis in range(len(shape)) if axis not in axes)
        means: Floats = deviation.mean(axis=others, keepdims=True)
        return means

    seed_axis = len(factors)
    terms = {factors[i]: (between(i), shape[i] - 1) for i in range(len(factors))}
    for i, j in combinations(range(len(factors)), 2):
        beyond = between(i, j) - between(i) - between(j)
        freedom = (shape[i] - 1) * (shape[j] - 1)
        terms[f"{factors[i]} × {factors[j]}"] = (beyond, freedom)
    if shape[seed_axis] > 1:
        terms["seed"] = (between(seed_axis), shape[seed_axis] - 1)
    return terms
