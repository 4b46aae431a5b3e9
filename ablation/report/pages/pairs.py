"""Accuracy by the levels of two factors."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ablation.report.claims.groups import Group
from ablation.report.claims.results import Results
from ablation.report.claims.statistics import mean_effects
from ablation.report.pages.blocks import Table
from ablation.report.pages.text import n_diverged, percent, with_interval

#: Most tables of the first pair of factors, and most pairs of factors in all.
MOST_SLICES, MOST_PAIRS = 24, 10


@dataclass(frozen=True)
class Entry:
    mean: float
    low: float = np.nan
    high: float = np.nan
    note: str = ""  # Why the mean can't be compared with others.

    @property
    def text(self) -> str:
        if np.isnan(self.mean):
            return self.note
        note = f" ({self.note})" if self.note else ""
        if np.isnan(self.low):
            return percent(self.mean) + note
        return with_interval(self.mean, self.low, self.high) + note


@dataclass(frozen=True)
class PairTable:
    """Accuracy by the levels of two factors.

    Attributes:
        factors: of the rows, of the columns.
        rows, columns: their levels.
        entries: (row, column) → accuracy; without those that are missing.
        others: the other factors' levels, where the table is of one combination of them.
        n_averaged: else, how many combinations of them each entry is a mean over.
    """

    factors: tuple[str, str]
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    entries: Mapping[tuple[str, str], Entry]
    others: Mapping[str, str]
    n_averaged: int = 0

    @property
    def name(self) -> str:
        """What the table is of: "transfer × reg, optimizer adam"."""
        fixed = "".join(f", {factor} {level}" for factor, level in self.others.items())
        return f"{self.factors[0]} × {self.factors[1]}{fixed}"

    def as_table(self) -> Table:
        caption = self.name
        if self.n_averaged:
            caption += f"; mean over {self.n_averaged:,} combinations of the other factors"
        rows = [(row, *(self._text(row, column) for column in self.columns)) for row in self.rows]
        return Table(
            (f"{self.factors[0]} \\ {self.factors[1]}", *self.columns),
            tuple(rows),
            "l" + "r" * len(self.columns),
            caption,
        )

    def _text(self, row: str, column: str) -> str:
        entry = self.entries.get((row, column))
        return "missing" if entry is None else entry.text


def pairs_of_factors(factors: Sequence[str]) -> list[tuple[str, str]]:
    """Every pair, the one that most readers ask for first: transfer in rows, reg in columns."""
    usual = [factor for factor in ("transfer", "reg") if factor in factors]
    ordered = [*usual, *(factor for factor in factors if factor not in usual)]
    return list(itertools.combinations(ordered, 2))


def first_pair(results: Results, group: Group) -> list[PairTable]:
    """The first pair's tables: one for each combination of the other factors' levels."""
    factors = factors_of(results, group)
    pairs = pairs_of_factors(factors)
    if not pairs:
        return []
    pair = pairs[0]
    others = [factor for factor in factors if factor not in pair]
    at = {factor: results.factors.index(factor) for factor in factors}
    slices: dict[tuple[str, ...], dict[tuple[str, str], Entry]] = {}
    for cell in group.cells:
        found = group.intervals.get(cell.levels)
        entry = (
            Entry(cell.mean, note=n_diverged(cell))
            if found is None
            else Entry(found.mean, found.low, found.high)
        )
        rest = tuple(cell.levels[at[factor]] for factor in others)
        slices.setdefault(rest, {})[cell.levels[at[pair[0]]], cell.levels[at[pair[1]]]] = entry
    for levels in lost_here(results, group):
        rest = tuple(levels[at[factor]] for factor in others)
        slices.setdefault(rest, {})[levels[at[pair[0]]], levels[at[pair[1]]]] = DIVERGED
    rows, columns = (_levels(results, group, factor) for factor in pair)
    return [
        PairTable(pair, rows, columns, entries, dict(zip(others, rest, strict=True)))
        for rest, entries in slices.items()
    ]


#: In place of an accuracy, where every run diverged.
DIVERGED = Entry(np.nan, note="diverged")


def lost_here(results: Results, group: Group) -> Iterator[tuple[str, ...]]:
    """The levels of the cells in which all diverged, that belong among the cells of this group."""
    known = {factor: _levels(results, group, factor) for factor in results.factors}
    for one in results.lost:
        if all(level in known[factor] for factor, level in zip(known, one.levels, strict=True)):
            yield one.levels


def other_pairs(results: Results, group: Group) -> list[PairTable]:
    """The other pairs' tables, each a mean over the other factors' levels.

    Only combinations of these that have every entry of the table are averaged over, so that its
    entries differ in nothing else.
    """
    found = []
    for pair in pairs_of_factors(factors_of(results, group))[1:MOST_PAIRS]:
        averaged = averages(results, group, pair)
        if averaged is not None:
            found.append(averaged)
    return found


def averages(results: Results, group: Group, pair: tuple[str, str]) -> PairTable | None:
    """Accuracy by two factors, averaged over all others; None where nothing is matched."""
    factors = results.factors
    at = [factors.index(factor) for factor in pair]
    by_rest: dict[tuple[str, ...], dict[tuple[str, str], tuple[str, ...]]] = {}
    for levels in group.right:
        rest = tuple(level for n, level in enumerate(levels) if n not in at)
        by_rest.setdefault(rest, {})[levels[at[0]], levels[at[1]]] = levels
    wanted = list(dict.fromkeys(key for one in by_rest.values() for key in one))
    matched = [one for one in by_rest.values() if len(one) == len(wanted)]
    seeds_of = {cell.levels: cell.seeds for cell in group.cells}
    used = [levels for one in matched for levels in one.values()]
    shared = sorted(set.intersection(*(set(seeds_of[levels]) for levels in used))) if used else []
    if not shared:
        return None

    rows, columns = (_levels(results, group, factor) for factor in pair)
    ended = [*lost_here(results, group), *(cell.levels for cell in group.unranked)]
    lost = {(levels[at[0]], levels[at[1]]): DIVERGED for levels in ended}
    if len(matched) == 1:
        rest = next(rest for rest, one in by_rest.items() if one is matched[0])
        names = [factor for factor in factors if factor not in pair]
        varied = factors_of(results, group)
        others = {name: level for name, level in zip(names, rest, strict=True) if name in varied}
        entries = dict(lost)
        for key, levels in matched[0].items():
            found = group.intervals[levels]
            entries[key] = Entry(found.mean, found.low, found.high)
        return PairTable(pair, rows, columns, entries, others)
    means = average_accuracies(
        [
            [of_seeds(group.right[one[key]], seeds_of[one[key]], shared) for one in matched]
            for key in wanted
        ]
    )
    entries = lost | dict(zip(wanted, means, strict=True))
    return PairTable(pair, rows, columns, entries, {}, len(matched))


def of_seeds(
    right: NDArray[np.bool_], seeds: Sequence[int], wanted: Sequence[int]
) -> NDArray[np.bool_]:
    """The rows of a cell's table, whose seeds are `seeds`, that belong to the `wanted` ones."""
    return right[[seeds.index(seed) for seed in wanted]]


def average_accuracies(tables: Sequence[Sequence[NDArray[np.bool_]]]) -> list[Entry]:
    """The mean accuracy over the cells of each list, with its interval.

    Args:
        tables: lists of right or wrong, each of one shape (n_seeds, n_pictures).
    """
    # Around 1/2: the method adds an answer on either side of the middle of its scale.
    centred = np.stack([np.mean(cells, axis=0) for cells in tables]) - 0.5
    return [
        Entry(found.difference + 0.5, found.low + 0.5, found.high + 0.5)
        for found in mean_effects(centred, limit=0.5)
    ]


def factors_of(results: Results, group: Group) -> tuple[str, ...]:
    """The factors that are compared in this group: all, where there is no other group."""
    if len(results.groups) == 1:
        return results.factors
    return tuple(
        factor
        for at, factor in enumerate(results.factors)
        if len({cell.levels[at] for cell in group.cells}) > 1
    )


def _levels(results: Results, group: Group, factor: str) -> tuple[str, ...]:
    """A factor's levels, those of which nothing finished too; of the group where there are more."""
    at = results.factors.index(factor)
    if len(results.groups) == 1:
        return results.runs.factors[factor]
    here = {cell.levels[at] for cell in group.cells}
    return tuple(level for level in results.runs.factors[factor] if level in here)
