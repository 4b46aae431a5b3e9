"""Accuracy by the levels of two factors, at each level of the others or averaged over them."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ablation.report.claims.claim import Levels
from ablation.report.claims.drafts import is_sparse
from ablation.report.claims.folds import Folds
from ablation.report.claims.groups import Group
from ablation.report.claims.metric import ACCURACY, Metric
from ablation.report.claims.moderation import Expected
from ablation.report.claims.statistics import mean_effects

#: Most pairs of factors that have tables.
MOST_PAIRS = 10


@dataclass(frozen=True)
class Entry:
    """The accuracy in one place of a table.

    Attributes:
        mean: 0..1; NaN where every run diverged.
        low, high: its 95 % interval; NaN where there is none.
        n_diverged: seeds that diverged, of `n_seeds`; the mean of the others is too high then.
        n_seeds: 0 where none diverged.
    """

    mean: float
    low: float = np.nan
    high: float = np.nan
    n_diverged: int = 0
    n_seeds: int = 0


#: In place of an accuracy, where every run diverged.
DIVERGED = Entry(np.nan)


@dataclass(frozen=True)
class PairTable:
    """Accuracy by the levels of two factors.

    Attributes:
        factors: of the rows, of the columns.
        rows, columns: their levels.
        entries: (row, column) → accuracy; without those that are missing.
        others: the other factors' levels, where the table is of one combination of them.
        n_averaged: otherwise, how many combinations of them each entry is a mean over.
    """

    factors: tuple[str, str]
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    entries: Mapping[tuple[str, str], Entry]
    others: Mapping[str, str]
    n_averaged: int = 0


def pairs_of_factors(factors: Sequence[str]) -> list[tuple[str, str]]:
    """Every pair; first the one that most readers ask for: transfer in rows, reg in columns."""
    usual = [factor for factor in ("transfer", "reg") if factor in factors]
    ordered = [*usual, *(factor for factor in factors if factor not in usual)]
    return list(itertools.combinations(ordered, 2))


def first_pair(group: Group) -> list[PairTable]:
    """The first pair's tables: one for each combination of the other factors' levels."""
    factors = group.compared
    pairs = pairs_of_factors(factors)
    if not pairs or _are_few(group):
        return []
    pair = pairs[0]
    others = [factor for factor in factors if factor not in pair]
    at = {factor: list(group.levels).index(factor) for factor in factors}
    slices: dict[Levels, dict[tuple[str, str], Entry]] = {}

    def put(levels: Levels, entry: Entry) -> None:
        rest = tuple(levels[at[factor]] for factor in others)
        slices.setdefault(rest, {})[levels[at[pair[0]]], levels[at[pair[1]]]] = entry

    for cell in group.cells:
        found = group.intervals.get(cell.levels)
        n = len(cell.diverged)
        put(
            cell.levels,
            Entry(cell.mean, n_diverged=n, n_seeds=n and n + len(cell.seeds))
            if found is None
            else Entry(found.mean, found.low, found.high),
        )
    for levels in group.diverged_cells:
        put(levels, DIVERGED)
    rows, columns = (group.levels[factor] for factor in pair)
    return [
        PairTable(pair, rows, columns, entries, dict(zip(others, rest, strict=True)))
        for rest, entries in slices.items()
    ]


def _are_few(group: Group) -> bool:
    """Whether many entries would be missing, as in a fraction or a leave-one-out design."""
    if group.comparison is not None and group.comparison.fraction is not None:
        return True
    n_cells = len(group.cells) + len(group.diverged_cells)
    return is_sparse(n_cells, [group.levels[factor] for factor in group.compared])


def other_pairs(group: Group) -> Iterator[PairTable]:
    """The other pairs' tables, each a mean over the other factors' levels.

    Only combinations of these that have every entry of the table are averaged over, so that its
    entries differ in nothing else.
    """
    for pair in () if _are_few(group) else pairs_of_factors(group.compared)[1:MOST_PAIRS]:
        averaged = averages(group, pair)
        if averaged is not None:
            yield averaged


def averages(group: Group, pair: tuple[str, str]) -> PairTable | None:
    """Accuracy by two factors, averaged over all others; None where nothing is matched."""
    factors = list(group.levels)
    at = [factors.index(factor) for factor in pair]
    by_rest: dict[Levels, dict[tuple[str, str], Levels]] = {}
    for levels in group.right:
        rest = tuple(level for n, level in enumerate(levels) if n not in at)
        by_rest.setdefault(rest, {})[levels[at[0]], levels[at[1]]] = levels
    wanted = list(dict.fromkeys(key for one in by_rest.values() for key in one))
    matched = {rest: one for rest, one in by_rest.items() if len(one) == len(wanted)}
    used = [levels for one in matched.values() for levels in one.values()]
    seeds = group.shared_seeds(used)
    if not seeds:
        return None
    rows, columns = (group.levels[factor] for factor in pair)
    ended = [*group.diverged_cells, *(cell.levels for cell in group.unranked)]
    diverged = {(levels[at[0]], levels[at[1]]): DIVERGED for levels in ended}
    if len(matched) == 1:
        (rest, one) = next(iter(matched.items()))
        names = [factor for factor in factors if factor not in pair]
        others = {
            name: level for name, level in zip(names, rest, strict=True) if name in group.compared
        }
        return PairTable(pair, rows, columns, diverged | _intervals(group, one), others)
    tables = [[group.scores_of(one[key], seeds) for one in matched.values()] for key in wanted]
    weights = [
        {levels: 1 / len(matched) for levels in (one[key] for one in matched.values())}
        for key in wanted
    ]
    expected = group.expected(weights) if len(seeds) > 1 or group.folds else None
    folds = np.stack([group.folds[seed] for seed in seeds]) if group.folds else None
    means = average_scores(tables, expected, group.metric, folds)
    entries = diverged | dict(zip(wanted, means, strict=True))
    return PairTable(pair, rows, columns, entries, {}, len(matched))


def _intervals(
    group: Group, cells: Mapping[tuple[str, str], Levels]
) -> dict[tuple[str, str], Entry]:
    found = {key: group.intervals[levels] for key, levels in cells.items()}
    return {key: Entry(one.mean, one.low, one.high) for key, one in found.items()}


def average_scores(
    tables: Sequence[Sequence[NDArray[Any]]],
    expected: Expected | None = None,
    metric: Metric = ACCURACY,
    folds: Folds | None = None,
) -> list[Entry]:
    """The mean score over the cells of each list, with its interval.

    Args:
        tables: lists of right or wrong, or of scores, each of one shape (n_seeds, n_pictures).
        expected: of each mean, what the cells of the study let expect of its seeds.
        metric: what the scores are.
        folds: of cross-validated runs, the fold of each division and picture.
    """
    means = np.stack([np.mean(cells, axis=0) for cells in tables])
    # The method adds an answer on either side of the middle of its scale.
    is_accuracy = metric.key == "accuracy"
    middle = 0.5 if is_accuracy else float(means.mean())
    limit = 0.5 if is_accuracy else None
    most = 1.0 if metric.is_share else np.inf
    return [
        Entry(found.difference + middle, max(found.low + middle, 0), min(found.high + middle, most))
        for found in mean_effects(means - middle, limit=limit, expected=expected, folds=folds)
    ]
