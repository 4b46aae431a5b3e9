"""Makes every claim of a report from the right and wrong answers of its cells.

A claim is a weighted sum of cells over the seeds that these share, two at least: a contrast of two
cells, a level's effect against the baseline level, averaged over matched cells or, in a fraction of
a grid, over all, or an interaction of two factors. How far each differs between seeds is learned
from all cells (`moderation`). All claims of a report form one family: their p-values are corrected
together (Holm, with weights), and only what survives is significant. So where there is no true
difference at all, at most 5 % of studies have a report with any significant claim.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ablation.report.claims import fractions
from ablation.report.claims.claim import (
    CellContrast,
    CellMean,
    Claim,
    Comparison,
    Interaction,
    LevelEffect,
    Levels,
    Rules,
    Same,
)
from ablation.report.claims.correction import holm
from ablation.report.claims.drafts import (
    ALL_PAIRS_UP_TO,
    Draft,
    Grid,
    effects_of,
    interactions_of,
    pairs_of,
)
from ablation.report.claims.folds import fold_means, parts_of_folds
from ablation.report.claims.moderation import (
    Expected,
    SeedVariances,
    moderated,
    of_sums,
    parts_of_runs,
)
from ablation.report.claims.shares import variance_shares
from ablation.report.claims.statistics import (
    Contrast,
    mean_effects,
    mean_interval,
    score_interval,
)

_VALUES_AT_ONCE = 2_000_000  # Entries of the tables that are analysed together: about 16 MB.


def compare(
    cells: Mapping[Levels, NDArray[Any]],
    factors: Sequence[str],
    seeds: Mapping[Levels, Sequence[int]],
    predicted: Mapping[Levels, NDArray[np.integer]] | None = None,
    rules: Rules = Rules(),  # noqa: B008, as it can't be changed
    folds: Mapping[int, NDArray[np.int64]] | None = None,
) -> Comparison:
    """Make every claim of a report.

    With many cells not all pairs are compared, see `drafts.ALL_PAIRS_UP_TO`.

    Args:
        cells: right or wrong, or a score, of each answer: of shape (n_seeds, n_pictures), by the
            cell's levels in the order of `factors`. All cells answer the same pictures in the same
            order. Cells may be missing.
        factors: their names.
        seeds: of each cell, the seed of each row of its table. Cells are paired on the seeds that
            they share, and not compared if these are fewer than two.
        predicted: the predicted classes of some or all cells, of the shape of the cell's table;
            each number stands for the same class in all cells.
        rules: the confidence, the smallest difference of interest, the baseline levels, the looks.
        folds: of cross-validated runs, each "seed", which is a division of the pictures → the
            fold of each picture, from 0, of shape (n_pictures,). One division is enough then.

    Raises:
        ValueError: a cell's key, table or seeds do not fit the others, or a baseline is unknown.
    """
    grid = Grid(cells, factors, seeds, rules.baseline, folds)
    prior = _prior(grid)
    most = 0 if rules.only_baseline else ALL_PAIRS_UP_TO
    drafts = [*pairs_of(grid, most), *_of_levels(grid)]
    family = _Family(grid, prior, rules)
    claims = family.claims(drafts, _Digests(grid, predicted or {}))
    return Comparison(
        factors=grid.factors,
        baseline=grid.baseline,
        cells=tuple(family.mean(cell) for cell in grid.tables),
        contrasts=tuple(claim for claim in claims if isinstance(claim, CellContrast)),
        effects=tuple(claim for claim in claims if isinstance(claim, LevelEffect)),
        interactions=tuple(claim for claim in claims if isinstance(claim, Interaction)),
        prior=prior,
        shares=_shares(grid),
        n_claims=claims[0].n_claims if claims else 0,
        fraction=grid.fraction,
    )


def _of_levels(grid: Grid) -> Iterator[Draft]:
    """The effects, then the interactions; of a fraction with missing cells, over pairs if any."""
    if grid.fraction is None or grid.fraction.n_missing:
        yield from effects_of(grid)
        yield from interactions_of(grid)
    else:
        yield from fractions.effects_of(grid, grid.fraction)
        yield from fractions.interactions_of(grid, grid.fraction)


def contrasts(grid: Grid, rules: Rules) -> list[CellContrast]:
    """All pairs of cells that share seeds, however many, corrected together."""
    drafts = list(pairs_of(grid, most_cells=len(grid.tables)))
    claims = _Family(grid, _prior(grid), rules).claims(drafts, _Digests(grid, {}))
    return [claim for claim in claims if isinstance(claim, CellContrast)]


def _prior(grid: Grid) -> SeedVariances | None:
    known = {c: table for c, table in grid.tables.items() if len(table) >= grid.least_seeds}
    parts = {}
    for cell, table in known.items():
        folds = grid.folds_of(list(grid.rows[cell]))
        parts[cell] = parts_of_runs(table) if folds is None else parts_of_folds(table, folds)
    return moderated(parts)


class _Family:
    """The claims of a report, which are corrected together."""

    def __init__(self, grid: Grid, prior: SeedVariances | None, rules: Rules) -> None:
        self._grid, self._prior, self._rules = grid, prior, rules
        #: Of the intervals of differences.
        self._confidence = 1 - (1 - rules.confidence) / rules.n_looks

    def mean(self, cell: Levels) -> CellMean:
        """A cell's mean score with its interval."""
        table = self._grid.tables[cell]
        is_known = self._prior is not None and cell in self._prior.place
        expected = of_sums(self._prior, [{cell: 1.0}]) if is_known and self._prior else None
        folds = self._grid.folds_of(list(self._grid.rows[cell]))
        if table.dtype.kind == "i":
            interval = mean_interval(table, self._rules.confidence, expected, folds)
            return CellMean(cell, interval)
        found = score_interval(table, self._rules.confidence, expected, folds)
        # An accuracy lies in 0..1, a loss is not below 0.
        most = 1.0 if self._rules.metric.is_share else np.inf
        return CellMean(cell, replace(found, low=max(found.low, 0), high=min(found.high, most)))

    def claims(self, drafts: Sequence[Draft], rows: "_Digests") -> list[Claim]:
        """Each draft with its contrast and its p-value, corrected for all of them."""
        # A claim made twice, such as the only pair of a factor's levels, is one of the family.
        family: dict[tuple[object, ...], Draft] = {}
        for draft in drafts:
            family.setdefault(draft.identity, draft)
        contrasts = self._contrasts(list(family.values()))
        weights = _weights(drafts)
        p_values = [min(found.p_value * self._rules.n_looks, 1.0) for found in contrasts]
        corrected = holm(p_values, [weights[key] for key in family])
        of_family = dict(zip(family, zip(contrasts, corrected, strict=True), strict=True))
        claims = []
        for draft in drafts:
            found, corrected_p = of_family[draft.identity]
            if draft.first_sign != family[draft.identity].first_sign:
                found = found.reversed()
            claim = draft.kind(
                found=found,
                corrected_p=float(corrected_p),
                n_claims=len(family),
                rules=self._rules,
                **draft.names,
                **rows.in_common(draft),
            )
            claims.append(claim)
        return claims

    def _contrasts(self, drafts: Sequence[Draft]) -> list[Contrast]:
        """The contrast of each draft, in order; tables of one shape are analysed together."""
        grid = self._grid
        alike: dict[tuple[int | tuple[int, ...], float | None], list[int]] = {}
        for n, draft in enumerate(drafts):
            # Each division of the pictures has its own folds.
            which = draft.seeds if grid.folds else len(draft.seeds)
            alike.setdefault((which, _limit(grid, draft)), []).append(n)
        found: dict[int, Contrast] = {}
        for (_, limit), members in alike.items():
            seeds = drafts[members[0]].seeds
            at_once = max(_VALUES_AT_ONCE // (len(seeds) * grid.n_pictures), 1)
            for start in range(0, len(members), at_once):
                batch = members[start : start + at_once]
                tables = np.stack([_differences(grid, drafts[n]) for n in batch])
                expected = self._expected([drafts[n] for n in batch])
                folds = grid.folds_of(seeds)
                made = mean_effects(tables, self._confidence, limit, expected, folds)
                found.update(zip(batch, made, strict=True))
        return [found[n] for n in range(len(drafts))]

    def _expected(self, drafts: Sequence[Draft]) -> Expected | None:
        if self._prior is None:
            return None
        sums = [{c: w / draft.matched for c, w in draft.weights.items()} for draft in drafts]
        return of_sums(self._prior, sums)


def _weights(drafts: Sequence[Draft]) -> dict[tuple[object, ...], float]:
    """Of each member of the family, its weight in the correction.

    Effects, interactions and pairs of cells share the chance of a false claim in equal parts:
    otherwise the few questions that a study was made for would be lost among its many pairs.
    """
    n_of_kind = Counter(draft.kind for draft in drafts)
    weights: dict[tuple[object, ...], float] = defaultdict(float)
    for draft in drafts:
        weights[draft.identity] += 1 / n_of_kind[draft.kind]
    return weights


class _Digests:
    """Digests of what each run answered, which are quicker to compare than the answers."""

    def __init__(self, grid: Grid, predicted: Mapping[Levels, NDArray[np.integer]]) -> None:
        self._grid = grid
        self._right = {cell: self._of_rows(table) for cell, table in grid.tables.items()}
        self._predicted = {cell: self._of_rows(table) for cell, table in predicted.items()}

    @staticmethod
    def _of_rows(table: NDArray[np.integer]) -> list[bytes]:
        rows = np.ascontiguousarray(table)
        return [hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in rows]

    def in_common(self, draft: Draft) -> dict[str, Any]:
        """The fields of a claim that say where its sides answered the same."""
        sides = [self._same(pairs, draft.seeds) for pairs in draft.pairs]
        if draft.kind is Interaction:
            for factor, same in zip(draft.names["factors"], sides, strict=True):
                if same == "predictions":
                    return {"same": same, "idle": factor}
            return {}
        (same,), (pairs,) = sides, draft.pairs
        if draft.kind is not LevelEffect or same == "predictions":
            return {"same": same}
        return {"same": same, "same_with": tuple(self._arms(draft.names["factor"], pairs, draft))}

    def _same(self, pairs: Sequence[tuple[Levels, Levels]], seeds: Sequence[int]) -> Same:
        if not pairs:
            return ""
        if all(self._agree(self._predicted, pair, seeds) for pair in pairs):
            return "predictions"
        return "right" if all(self._agree(self._right, pair, seeds) for pair in pairs) else ""

    def _agree(
        self,
        digests: Mapping[Levels, Sequence[bytes]],
        pair: tuple[Levels, Levels],
        seeds: Sequence[int],
    ) -> bool:
        a, b = pair
        if a not in digests or b not in digests:
            return False
        of_a, of_b = self._grid.rows[a], self._grid.rows[b]
        return all(digests[a][of_a[seed]] == digests[b][of_b[seed]] for seed in seeds)

    def _arms(
        self, factor: str, pairs: Sequence[tuple[Levels, Levels]], draft: Draft
    ) -> Iterator[tuple[str, str]]:
        """Other factors' levels with which every pair's predictions are the same."""
        for at, other in enumerate(self._grid.factors):
            if other == factor:
                continue
            for level in dict.fromkeys(a[at] for a, _ in pairs):
                here = [pair for pair in pairs if pair[0][at] == level]
                if len(here) < len(pairs) and self._same(here, draft.seeds) == "predictions":
                    yield other, level


def _limit(grid: Grid, draft: Draft) -> float | None:
    """The largest possible difference; scores other than right and wrong have none."""
    if any(grid.tables[cell].dtype.kind == "f" for cell in draft.weights):
        return None
    return 2.0 if draft.kind is Interaction else 1.0


def _differences(grid: Grid, draft: Draft) -> NDArray[np.float64]:
    # Right and wrong in whole numbers until the division, so that equal answers give exactly 0.
    is_score = any(grid.tables[cell].dtype.kind == "f" for cell in draft.weights)
    shape = (len(draft.seeds), grid.n_pictures)
    total = np.zeros(shape, dtype=np.float64 if is_score else np.int32)
    for cell, weight in draft.weights.items():
        total += weight * grid.table(cell, draft.seeds)
    return total / draft.matched


def _shares(grid: Grid) -> dict[str, float] | None:
    """Each factor's share of the variance; None where the grid is not full or nothing varies."""
    varied = [at for at, levels in enumerate(grid.levels) if len(levels) > 1]
    full = list(product(*grid.levels))
    if not varied or len(full) != len(grid.tables):
        return None
    seeds = grid.shared_seeds(full)
    accuracy = np.array([_of_replicates(grid, cell, seeds) for cell in full])
    if not seeds or np.ptp(accuracy) == 0:
        return None
    shape = [len(grid.levels[at]) for at in varied]
    names = [grid.factors[at] for at in varied]
    return variance_shares(accuracy.reshape(*shape, -1), names)


def _of_replicates(grid: Grid, cell: Levels, seeds: Sequence[int]) -> NDArray[np.float64]:
    """The mean score of each run of a cell: one a seed, or one a fold of each division."""
    table, folds = grid.table(cell, seeds), grid.folds_of(seeds)
    if folds is None:
        of_seeds: NDArray[np.float64] = table.mean(axis=1)
        return of_seeds
    return fold_means(table[np.newaxis].astype(np.float64), folds).ravel()
