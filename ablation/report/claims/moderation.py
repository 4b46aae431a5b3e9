"""The variance between seeds in each cell, moderated by what all cells of a study have in common.

Three seeds say little about how far the runs of one cell differ: a variance with 2 degrees of
freedom is half its expectation or less in 40 % of cells. But a study has many cells. As in limma,
their variances are taken for draws around a common prior (Smyth 2004, *Stat. Appl. Genet. Mol.
Biol.* 3:3), whose location follows a trend (Law et al. 2014, *Genome Biol.* 15:R29): a cell's
variance is then the mean of its own and the prior's, weighted by their degrees of freedom.

- **Trend.** The variance between seeds rises with the variance between the pictures within a run,
  which for right and wrong is p (1 - p): a power of it, whose exponent is estimated around 1.5.
  Without a trend the average interval would hold its word, but those of the noisiest arm would not.
- **Freedom of the prior.** Estimated by maximum likelihood (an F distribution), and never above a
  quarter of the cells' own degrees of freedom together, nor above 10: cells that differ in ways
  that the trend does not know must keep most of their own variance. With fewer than three cells
  nothing is shared.

How well this holds on simulated studies is in `results/calibration/`.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]
#: With fewer cells each pair of cells has its own variance alone.
LEAST_CELLS = 3
_MOST_FREEDOM, _SHARE_OF_FREEDOM = 10.0, 0.25
_EXPONENT, _EXPONENT_SD = 1.5, 0.5
_FREEDOMS = np.array([0.5, 1, 1.5, 2, 3, 4, 5, 6, 8, 12, 20, 50])
_STEPS = 40


class Parts(NamedTuple):
    """Of a cell.

    Attributes:
        between_seeds: the variance of its runs' means.
        within: the mean variance between pictures within a run.
        residual: mean square of what neither the picture nor the run explains.
        freedom: degrees of freedom of `between_seeds`.
        n_pictures: of a run.
    """

    between_seeds: float
    within: float
    residual: float
    freedom: float
    n_pictures: float


@dataclass(frozen=True)
class SeedVariances:
    """Of several cells; arrays of shape (n_cells,).

    Attributes:
        place: each cell's name → its place in the arrays.
        observed: variance of the runs' mean scores between seeds.
        freedom: degrees of freedom of `observed`: one less than the seeds.
        prior: the variance that cells like this one have, by the trend.
        prior_freedom: the degrees of freedom that it counts for.
        residual: mean square of a cell's answers that neither its picture nor its run explains.
    """

    place: Mapping[Hashable, int]
    observed: Floats
    freedom: Floats
    prior: Floats
    prior_freedom: float
    residual: Floats


@dataclass(frozen=True)
class Expected:
    """What the cells let expect of weighted sums of them; arrays of shape (n_sums,).

    Attributes:
        variance: of the sum's mean score in one seed, where its cells' runs are independent.
        freedom: degrees of freedom with which it is known.
        residual: the sum's residual mean square, where its cells' runs are independent.
    """

    variance: Floats
    freedom: Floats
    residual: Floats


def moderated(cells: Mapping[Any, Parts]) -> SeedVariances | None:
    """The variance between seeds in each cell.

    Args:
        cells: what is known of each, all of the same pictures.

    Returns:
        None for fewer than `LEAST_CELLS` cells, which are too few to learn from.
    """
    if len(cells) < LEAST_CELLS:
        return None
    between_seeds, within, residual, own, n_pictures = map(
        np.array, zip(*cells.values(), strict=True)
    )
    # A run's mean has steps of one picture: a variance of 0 is one below what these can show.
    observed = between_seeds + (within.mean() + 1e-12) / n_pictures**2
    spread = within + (within.mean() + 1e-12) / n_pictures
    location, estimated = _prior(observed, spread, own)
    freedom = min(estimated, own.sum() * _SHARE_OF_FREEDOM, _MOST_FREEDOM)
    return SeedVariances(
        place={cell: place for place, cell in enumerate(cells)},
        observed=observed,
        freedom=own,
        prior=location,
        prior_freedom=freedom,
        residual=residual,
    )


def of_sums(cells: SeedVariances, sums: Sequence[Mapping[Any, float]]) -> Expected:
    """What to expect of weighted sums of cells.

    Args:
        cells: their variances.
        sums: of each sum, its cells → their weights, not all 0.

    Returns:
        The sums' variances, with Satterthwaite's degrees of freedom (Welch 1947).
    """
    weights = np.zeros((len(sums), len(cells.place)))
    for row, one in zip(weights, sums, strict=True):
        for cell, weight in one.items():
            row[cells.place[cell]] = weight
    squared = weights**2
    own, prior = squared @ cells.observed, squared @ cells.prior
    # Satterthwaite's degrees of freedom of `own`, at variances that are not 0 by chance.
    n = cells.prior_freedom
    parts = squared * (n * cells.prior + cells.freedom * cells.observed) / (n + cells.freedom)
    freedom = parts.sum(axis=1) ** 2 / (parts**2 / cells.freedom).sum(axis=1)
    return Expected(
        variance=(n * prior + freedom * own) / (n + freedom),
        freedom=np.minimum(n + freedom, max(cells.freedom.sum() - 2, cells.freedom.max())),
        residual=squared @ cells.residual,
    )


def parts_of_runs(scores: NDArray[Any]) -> Parts:
    """What is known of one cell.

    Args:
        scores: of each run and picture (right 1, wrong 0), of shape (n_seeds, n_pictures): at
            least two seeds.
    """
    table = np.asarray(scores, dtype=np.float64)
    n_seeds, n_pictures = table.shape
    of_runs, of_pictures = table.mean(axis=1), table.mean(axis=0)
    rest = table - of_runs[:, None] - of_pictures + table.mean()
    return Parts(
        between_seeds=float(of_runs.var(ddof=1)),
        within=float(table.var(axis=1).mean()),
        residual=float(np.sum(rest**2)) / max((n_seeds - 1) * (n_pictures - 1), 1),
        freedom=n_seeds - 1.0,
        n_pictures=float(n_pictures),
    )


def _prior(observed: Floats, spread: Floats, own: Floats) -> tuple[Floats, float]:
    """The prior's location in each cell, shape (n_cells,), and its degrees of freedom.

    Observed variance / location follows F(own, prior freedom). The location is a power of `spread`
    times a constant; both and the freedom are those of the largest posterior density, where the
    exponent alone has a prior. Newton's method, for each freedom of a grid.
    """
    centred = np.log(spread) - np.log(spread).mean()
    prior = _FREEDOMS[:, None]
    level = np.full(len(prior), np.log(observed.mean()))
    exponent = np.full(len(prior), _EXPONENT)
    for _ in range(_STEPS):
        ratio = own * observed / (prior * np.exp(level[:, None] + exponent[:, None] * centred))
        share = ratio / (1 + ratio)
        slope = (own + prior) / 2 * share - own / 2
        bend = np.maximum((own + prior) / 2 * share / (1 + ratio), 1e-3)
        g_level = slope.sum(axis=1)
        g_exponent = slope @ centred - (exponent - _EXPONENT) / _EXPONENT_SD**2
        h_level, h_mixed = bend.sum(axis=1), bend @ centred
        h_exponent = bend @ centred**2 + 1 / _EXPONENT_SD**2
        determinant = h_level * h_exponent - h_mixed**2
        level += np.clip((h_exponent * g_level - h_mixed * g_exponent) / determinant, -1, 1)
        exponent += np.clip((h_level * g_exponent - h_mixed * g_level) / determinant, -0.5, 0.5)
    location = np.exp(level[:, None] + exponent[:, None] * centred)
    density = (
        own / 2 * np.log(own / (prior * location))
        - special.betaln(own / 2, prior / 2)
        - (own + prior) / 2 * np.log1p(own * observed / (prior * location))
    ).sum(axis=1) - ((exponent - _EXPONENT) / _EXPONENT_SD) ** 2 / 2
    best = int(density.argmax())
    # The F distribution's location lies below the mean where cells differ much: the mean is safer.
    ratio = float(own @ (observed / location[best]) / own.sum())
    return location[best] * ratio, float(_FREEDOMS[best])
