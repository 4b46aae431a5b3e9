"""All pairs of cells of any program's making, compared as the report compares its own."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ablation.report.claims.claim import Levels, Rules
from ablation.report.claims.comparison import contrasts
from ablation.report.claims.drafts import Grid

COLUMNS = ["a", "b", "difference", "low", "high", "p_value", "p_corrected", "verdict"]


def compare(
    correct: Mapping[str, ArrayLike], *, confidence: float = 0.95, difference: float = 0.01
) -> pd.DataFrame:
    """Compare every two cells, paired over the same seeds and the same pictures.

    The variance between seeds is learned from all cells (Smyth 2004, with a trend; see
    `moderation`), that between pictures from each pair; intervals hold for new seeds and new
    pictures. p-values are corrected for all pairs (Holm 1979).

    Args:
        correct: a cell's name → right or wrong in each of its runs, of shape (n_seeds, n_pictures):
            booleans, or 0 and 1; any other numbers are taken for a score of each answer, such as
            its log loss. Row s is the same seed in all cells, column i the same picture. Cells
            with more seeds than others are compared on the rows that both have.
        confidence: of the intervals, and of all verdicts "different" together, between 0 and 1.
        difference: the smallest difference of interest, above 0: a fraction, 0.01 for one point of
            accuracy; of other scores in their own unit.

    Returns:
        A row for each pair, in the order of the cells: `a`, `b`, the `difference` a minus b with
        its interval `low` to `high`, `p_value`, `p_corrected`, and the `verdict`: "different" where
        `p_corrected` is below 1 - confidence, "same" where the interval lies inside ±difference,
        else "open". Where two cells share fewer than two seeds nothing can be said about others:
        `low`, `high` and the p-values are NaN, and the verdict is "open".

    Raises:
        ValueError: a table is empty or not of two dimensions, holds what is not a number, or has
            another number of pictures than the others; confidence or difference are out of range.

    Example:
        >>> import numpy as np, ablation
        >>> right = np.random.default_rng(0).random((2, 3, 500)) < [[[0.9]], [[0.6]]]
        >>> ablation.compare({"new": right[0], "old": right[1]}).verdict.item()
        'different'
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}, not between 0 and 1")
    if not difference > 0:
        raise ValueError(f"difference is {difference}, not above 0")
    tables: dict[Levels, ArrayLike] = {(name,): table for name, table in correct.items()}
    seeds: dict[Levels, Sequence[int]] = {
        cell: range(len(np.atleast_1d(table))) for cell, table in tables.items()
    }
    grid = Grid(tables, ["cell"], seeds, {})
    made = contrasts(grid, Rules(confidence=confidence, difference=difference))
    claims = {(claim.a, claim.b): claim for claim in made}
    cells = list(tables)
    rows = []
    for at, a in enumerate(cells):
        for b in cells[at + 1 :]:
            claim = claims.get((a, b))
            if claim is None:
                shared = grid.shared_seeds((a, b))
                gap = float(grid.table(a, shared).mean() - grid.table(b, shared).mean())
                rows.append((*a, *b, gap, *[np.nan] * 4, "open"))
            else:
                found = claim.found
                numbers = (found.difference, found.low, found.high, found.p_value)
                rows.append((*a, *b, *numbers, claim.corrected_p, claim.verdict))
    return pd.DataFrame(rows, columns=COLUMNS)
