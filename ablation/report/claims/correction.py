"""Holm's correction for many comparisons."""

import numpy as np
from numpy.typing import ArrayLike

from ablation.report.claims.statistics import Floats


def holm(p_values: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """Holm's corrected p-values (1979, *Scand. J. Statist.* 6:65): shape (n,), in the order given.

    Claiming only what stays below 0.05 makes one false claim or more in at most 5 % of families,
    however the tests depend on one another. With weights (his section 4) that chance of an error
    is given to the tests in proportion to them, not in equal parts.

    Args:
        p_values: Shape (n,), each in [0, 1].
        weights: Shape (n,), above 0, known before the results; equal ones if None.

    Raises:
        ValueError: If they are not one-dimensional, or any is outside its range.
    """
    values = np.asarray(p_values, dtype=np.float64)
    if values.ndim != 1:
        raise ValueError(f"p-values have shape {values.shape}, not (n,)")
    if not np.all((values >= 0) & (values <= 1)):
        raise ValueError("p-values must lie between 0 and 1")
    share = np.ones_like(values) if weights is None else np.asarray(weights, dtype=np.float64)
    if share.shape != values.shape or not np.all(share > 0):
        raise ValueError("there must be one weight above 0 for each p-value")
    order = np.argsort(values / share, kind="stable")
    # Each is judged against the weight of those that are not yet rejected, itself included.
    left = np.cumsum(share[order][::-1])[::-1]
    corrected = np.empty_like(values)
    corrected[order] = np.minimum(np.maximum.accumulate(values[order] * left / share[order]), 1)
    return corrected
