"""The tables of a report: as files for programs, and as rows of text for its pages.

Accuracies are fractions in the files and percentages on the pages, there with their 95 % interval
in brackets.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ablation import diverged
from ablation.report.cells import Cell, Group, Tried
from ablation.report.comparison import (
    CellContrast,
    Claim,
    Interaction,
    LevelEffect,
    cell_name,
    in_words,
)
from ablation.report.results import Results, tuning_note
from ablation.report.runs import level_of
from ablation.report.statistics import mean_effects

#: Most rows of a table on a page; the files hold all.
MOST_ROWS = 60
#: Most tables of the first pair of factors, and most pairs of factors in all.
MOST_SLICES, MOST_PAIRS = 24, 10


@dataclass(frozen=True)
class Table:
    """Rows of text under a header.

    Attributes:
        align: a letter a column: l for words, r for figures.
        caption: what it shows, in one or two sentences.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    align: str
    caption: str = ""


# --- Figures as text


def percent(fraction: float) -> str:
    """0.9542 → "95.4"; "–" for what is missing."""
    return f"{100 * fraction:.1f}" if np.isfinite(fraction) else "–"


def with_interval(mean: float, low: float, high: float) -> str:
    """(0.95, 0.92, 0.97) → "95.0 [92.0, 97.0]"."""
    return f"{percent(mean)} [{percent(low)}, {percent(high)}]"


def points(fraction: float, decimals: int = 1) -> str:
    """A difference in points with its sign, and never "-0.0"."""
    rounded = round(100 * fraction, decimals)
    return f"{rounded:+.{decimals}f}" if rounded else f"{0:.{decimals}f}"


def difference(claim: Claim) -> str:
    """A claim's difference with its interval, in points: "+2.6 [-1.7, 6.9]".

    More decimals where one would make the interval a point, or hold 0 where it does not.
    """
    found = claim.found
    decimals = 1
    while decimals < 4 and (
        round(100 * (found.high - found.low), decimals) == 0
        or (
            found.excludes_zero and round(100 * min(abs(found.low), abs(found.high)), decimals) == 0
        )
    ):
        decimals += 1
    low, high = (round(100 * bound, decimals) + 0.0 for bound in (found.low, found.high))
    return f"{points(found.difference, decimals)} [{low:.{decimals}f}, {high:.{decimals}f}]"


def duration(seconds: float) -> str:
    """7.41 → "7.4 s", 720 → "12 min"."""
    if not np.isfinite(seconds):
        return "–"
    if seconds < 100:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def p_value(value: float) -> str:
    """0.0312 → "0.031"; below a thousandth only that."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def count(number: int, noun: str) -> str:
    """(2, "seed") → "2 seeds"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def accuracy(cell: Cell, group: Group) -> str:
    """A cell's mean best validation accuracy, with its interval where it has one."""
    found = group.intervals.get(cell.levels)
    return percent(cell.mean) if found is None else with_interval(found.mean, found.low, found.high)


def n_diverged(cell: Cell) -> str:
    """Such as "1 of 3 seeds diverged"; empty where none did."""
    n = len(cell.diverged)
    return f"{n} of {count(n + len(cell.seeds), 'seed')} diverged" if n else ""


def have_diverged(results: Results) -> list[str]:
    """Each cell in which runs diverged, and how many: "full, l1 (1 of 3 seeds)"."""
    lost = [
        (one.levels, f"all {len(one.seeds)} seeds" if len(one.seeds) > 1 else "its only run")
        for one in results.lost
    ]
    some = [
        (cell.levels, n_diverged(cell).removesuffix(" diverged"))
        for cell in results.cells
        if cell.diverged
    ]
    return [f"{cell_name(levels)} ({how_many})" for levels, how_many in lost + some]


def left_out(results: Results, claim: Claim) -> str:
    """What a claim about levels leaves out because runs diverged there; empty where nothing."""
    ended = [
        *(one.levels for one in results.lost),
        *(c.levels for c in results.cells if c.diverged),
    ]
    cells = [count(len(ended), "cell")] if isinstance(claim, Interaction) and ended else []
    if isinstance(claim, LevelEffect):
        at = results.factors.index(claim.factor)
        of_level = {
            level: sum(levels[at] == level for levels in ended)
            for level in (claim.level, claim.baseline)
        }
        cells = [f"{count(n, 'cell')} with {level}" for level, n in of_level.items() if n]
    return f"runs diverged in {' and '.join(cells)}, which this leaves out" if cells else ""


def verdict_of_same(claim: Claim) -> str:
    """Of a claim whose sides gave the same answers."""
    return "same predictions" if claim.same == "predictions" else "right on the same pictures"


def verdict(results: Results, claim: Claim) -> str:
    """In two or three words; with a dagger where the learning rate stands in the way."""
    if claim.same:
        return verdict_of_same(claim)
    if claim.told_apart:
        words = "differs"
    elif claim.found.excludes_zero:
        words = "only before correction"
    else:
        words = "can't be told apart"
    return f"{words} †" if tuning_note(results, claim) else words


def dagger(results: Results, claims: Iterable[Claim]) -> str:
    """What the dagger beside some of these claims stands for; empty where there is none."""
    notes = dict.fromkeys(note for claim in claims if (note := tuning_note(results, claim)))
    return f"† {'; '.join(notes)}." if notes else ""


def claim_name(claim: Claim) -> str:
    """What is subtracted from what: "frozen − scratch"."""
    match claim:
        case CellContrast():
            return f"({cell_name(claim.a)}) − ({cell_name(claim.b)})"
        case LevelEffect():
            return f"{claim.level} − {claim.baseline}"
        case Interaction():
            (level, here), (base, there) = claim.levels, claim.baselines
            return f"({level} − {base}) with {here}, less that with {there}"
    raise TypeError(f"not a claim of a report: {claim!r}")


def claim_factors(claim: Claim) -> str:
    """The factors that a claim is about: "transfer × reg"."""
    match claim:
        case LevelEffect():
            return claim.factor
        case Interaction():
            return " × ".join(claim.factors)
    return "cells"


# --- Cells


def anchor(group: Group) -> tuple[str, ...] | None:
    """The cell that the ranking sets the others beside: the first, else the reference.

    In a large study each cell is compared with one reference only, not with the first.
    """
    if group.comparison is None or not group.comparison.contrasts:
        return None
    seconds = {claim.b for claim in group.comparison.contrasts}
    if len(group.ranked) > 2 and len(seconds) == 1:
        return seconds.pop()
    return group.ranked[0].levels


def beside_anchor(group: Group) -> dict[tuple[str, ...], CellContrast]:
    """Each other cell's levels → that cell less the anchor."""
    at, found = anchor(group), {}
    for claim in group.comparison.contrasts if group.comparison else ():
        if claim.b == at:
            found[claim.a] = claim
        elif claim.a == at:
            found[claim.b] = replace(claim, found=claim.found.reversed(), a=claim.b, b=claim.a)
    return found


def ranking(results: Results, group: Group) -> Table:
    """The cells by their mean over the seeds."""
    beside, at = beside_anchor(group), anchor(group)
    is_first = bool(group.ranked) and at == group.ranked[0].levels
    names = [*results.factors, *results.runs.searched]
    rows: list[tuple[str, ...]] = []
    for place, cell in enumerate(group.ranked[:MOST_ROWS], 1):
        claim = beside.get(cell.levels)
        rows.append(
            (
                str(place),
                *cell.levels,
                *cell.chosen.values(),
                accuracy(cell, group),
                str(len(cell.seeds)),
                *(
                    ("", "the reference" if cell.levels == at and not is_first else "")
                    if claim is None
                    else (difference(claim), verdict(results, claim))
                ),
            )
        )
    is_apart = bool(beside or group.unranked or results.lost)
    for cell in group.unranked:
        content = (*cell.levels, *cell.chosen.values(), percent(cell.mean), str(len(cell.seeds)))
        rows.append(("–", *content, "", f"{n_diverged(cell)}: not ranked, its mean flatters"))
    for levels in lost_here(results, group):
        content = (*levels, *["–"] * len(results.runs.searched), "–", "0")
        rows.append(("–", *content, "", "diverged"))
    less = "less the first, points" if is_first else "less the reference, points"
    header = ("", *names, "accuracy, %", "seeds", less, "")
    align = "r" + "l" * len(names) + "rrrl"
    if not is_apart:
        header, align = header[:-2], align[:-2]
        rows = [row[:-2] for row in rows]
    return Table(header, tuple(rows), align)


def all_cells(results: Results) -> Table:
    """Every cell's accuracy in the order of the grid, whichever pictures it answered."""
    of = {cell.levels: group for group in results.groups for cell in group.cells}
    rows = tuple(
        (*cell.levels, _marked(cell, of[cell.levels]), str(len(cell.seeds)))
        for cell in results.cells[:MOST_ROWS]
    )
    header = (*results.factors, "accuracy, %", "seeds")
    return Table(header, rows, "l" * len(results.factors) + "rr")


def _marked(cell: Cell, group: Group) -> str:
    """A cell's accuracy, with what makes it flatter."""
    return accuracy(cell, group) + (f" ({n_diverged(cell)})" if cell.diverged else "")


# --- Pairs of factors


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


# --- Effects


def effects(results: Results, claims: Sequence[LevelEffect | Interaction]) -> Table:
    """Effects or interactions with their interval, corrected p-value and verdict."""
    rows: list[tuple[str, ...]] = [
        (
            claim_factors(claim),
            claim_name(claim),
            difference(claim),
            p_value(claim.corrected_p),
            verdict(results, claim),
            str(claim.matched)
            if claim.matched == claim.possible
            else f"{claim.matched} of {claim.possible}",
            str(claim.found.n_seeds),
        )
        for claim in claims
    ]
    kind = "pairs" if claims and isinstance(claims[0], LevelEffect) else "squares"
    header = ("factor", "levels", "points", "corrected p", "", f"matched {kind}", "seeds")
    return Table(header, tuple(rows), "llrrlrr")


def shares(group: Group) -> Table | None:
    """The share of the variance of the runs' accuracies that each factor explains.

    None with one seed: all differences, chance ones too, would be some factor's.
    """
    found = group.comparison.shares if group.comparison else None
    if not found or "seed" not in found:
        return None
    rows = tuple((name, percent(share)) for name, share in found.items())
    return Table(("source", "share of variance, %"), rows, "lr")


# --- Selection and searched settings


def selection(results: Results, group: Group) -> Table:
    """The best epoch's accuracy beside the last one's, and that on pictures held back."""
    rows = []
    for cell in group.ranked[:MOST_ROWS]:
        row = [cell_name(cell.levels), percent(cell.mean), percent(float(cell.last.mean()))]
        row.append(points(cell.mean - float(cell.last.mean())))
        if results.test:
            test = results.test.get(cell.levels)
            row += (
                ["–", "–"]
                if test is None
                else [
                    with_interval(test.mean, test.low, test.high),
                    points(cell.mean - test.mean),
                ]
            )
        rows.append(tuple(row))
    header: tuple[str, ...] = ("cell", "best epoch, %", "last epoch, %", "best less last, points")
    if results.test:
        header = (*header, "held back, %", "best less held back, points")
    return Table(header, tuple(rows), "l" + "r" * (len(header) - 1))


@dataclass(frozen=True)
class Optimism:
    """Mean accuracy where the epoch was chosen and where it was not, as text, with intervals.

    Attributes:
        is_told: whether the difference's interval lies above 0.
    """

    val: str
    test: str
    difference: str
    is_told: bool
    n_pictures: int


def optimism(results: Results, group: Group) -> Optimism | None:
    """How far the accuracy on the pictures that chose the epoch lies above that on others.

    None where no cell has pictures held back.
    """
    both = [cell for cell in group.cells if cell.levels in results.held_back]
    both = [cell for cell in both if cell.levels in group.right]
    shared = sorted(set.intersection(*(set(cell.seeds) for cell in both))) if both else []
    shapes = {results.held_back[cell.levels].shape[1] for cell in both}
    if not shared or len(shapes) != 1:
        return None

    def over_cells(right: Mapping[tuple[str, ...], NDArray[np.bool_]]) -> Entry:
        return average_accuracies([[of_seeds(right[c.levels], c.seeds, shared) for c in both]])[0]

    val, test = over_cells(group.right), over_cells(results.held_back)
    gap = val.mean - test.mean
    # The pictures are others, so the two vary apart: their intervals add up by squares (Zou and
    # Donner 2008). Seeds are shared, which can only make the true interval shorter.
    low = gap - np.hypot(val.mean - val.low, test.high - test.mean)
    high = gap + np.hypot(val.high - val.mean, test.mean - test.low)
    found, *bounds = (points(share).removeprefix("+") for share in (gap, low, high))
    text = f"{found} points [{', '.join(bounds)}]"
    return Optimism(val.text, test.text, text, bool(low > 0), shapes.pop())


def searched(results: Results, group: Group) -> Table:
    """Which value of the searched settings won in each cell, and what else was tried."""
    names = tuple(results.runs.searched)
    rows = []
    for cell in [*group.ranked, *group.unranked][:MOST_ROWS]:
        others = [
            f"{', '.join(tried.values)}: {_as_tried(tried, cell)}" for tried in cell.tried[1:]
        ]
        edges = [key for key in names if is_at_edge(cell, names.index(key))]
        rows.append(
            (
                cell_name(cell.levels),
                *cell.chosen.values(),
                percent(cell.mean) + (f" ({n_diverged(cell)})" if cell.diverged else ""),
                "; ".join(others) or "nothing else",
                f"on the edge of the range: {', '.join(edges)}" if edges else "",
            )
        )
    return Table(
        ("cell", *names, "its accuracy, %", "others tried, %", ""),
        tuple(rows),
        "l" + "r" * (len(names) + 1) + "ll",
    )


def _as_tried(tried: Tried, cell: Cell) -> str:
    """How one searched value did that was not chosen."""
    if not tried.n_seeds:
        return "diverged"
    of = count(tried.n_seeds + tried.n_diverged, "seed")
    if tried.n_diverged:
        return f"{percent(tried.mean)} ({tried.n_diverged} of {of} diverged)"
    return percent(tried.mean) + ("" if tried.n_seeds == len(cell.seeds) else f" ({of})")


def is_at_edge(cell: Cell, at: int) -> bool:
    """Whether the chosen value of searched setting number `at` is the least or most tried."""
    try:
        values = [float(tried.values[at]) for tried in cell.tried]
    except ValueError:
        return False  # Words have no order.
    return len(set(values)) > 1 and values[0] in (min(values), max(values))


def times(group: Group) -> Table:
    """Each cell's accuracy beside its training time."""
    rows = tuple(
        (cell_name(cell.levels), percent(cell.mean), duration(float(cell.seconds.mean())))
        for cell in group.ranked[:MOST_ROWS]
    )
    return Table(("cell", "accuracy, %", "mean training time"), rows, "lrr")


# --- Files


def save(results: Results, folder: Path) -> None:
    """Write runs.csv, cells.csv and contrasts.csv into a folder."""
    runs_frame(results).to_csv(folder / "runs.csv", index=False)
    pd.DataFrame(_cell_rows(results)).to_csv(folder / "cells.csv", index=False)
    pd.DataFrame(_claim_rows(results), columns=CLAIM_COLUMNS).to_csv(
        folder / "contrasts.csv", index=False
    )


def runs_frame(results: Results) -> pd.DataFrame:
    """Every run that was asked for or logged, a row each, with its status."""
    found = results.runs
    names = [*found.factors, *found.searched]
    table = found.table
    content: dict[str, Any] = {"status": "finished", "name": table.get("name")}
    content |= {key: level_of(table, key) for key in names}
    content |= {"seed": table.seed}
    metrics = [name for name in map(str, table.columns) if name.startswith("metrics.")]
    content |= {column.removeprefix("metrics."): table[column] for column in metrics}
    content |= {"error": "", "run_id": table.run_id, "fingerprint": table.get("tags.fingerprint")}
    finished = pd.DataFrame(content, index=table.index)
    whole = [cell for cell in results.cells if not cell.diverged]
    used = {run_id for cell in whole for run_id in cell.run_ids}
    finished.insert(1, "is_compared", table.run_id.isin(used))
    rest = [
        {"status": status, "is_compared": False, "name": name, **levels, "error": error}
        for status, name, levels, error in unfinished(results)
    ]
    return pd.concat([finished, pd.DataFrame(rest)], ignore_index=True) if rest else finished


def unfinished(results: Results) -> Iterator[tuple[str, str, dict[str, str], str]]:
    """Of each run that did not finish: what became of it, its name, its levels and seed, why."""
    ledger = results.runs.ledger
    keys = (*results.factors, *results.runs.searched)
    for status, runs in (
        ("diverged", ledger.diverged),
        ("failed", ledger.failed),
        ("running", ledger.running),
    ):
        for run in runs.values():
            levels = {key: run.params[key] for key in keys if key in run.params}
            error = run.tags.get("error", "no reason recorded") if status == "failed" else ""
            if status == "diverged":
                error = diverged.reason(run) or "diverged: its probabilities are not finite"
            yield status, run.name, {**levels, "seed": run.params.get("seed", "")}, error
    for fingerprint in ledger.missing:
        varied = ledger.planned[fingerprint]
        name = ", ".join(f"{key}={value}" for key, value in varied.items()) or "the only run"
        yield "missing", name, dict(varied), ""


def missing(results: Results) -> Table:
    """The runs that were asked for and never logged: a row a cell, with its seeds."""
    ledger = results.runs.ledger
    seeds: dict[str, list[str]] = {}
    for fingerprint in ledger.missing:
        varied = dict(ledger.planned[fingerprint])
        seed = varied.pop("seed", "")
        name = ", ".join(f"{key}={value}" for key, value in varied.items()) or "the only cell"
        seeds.setdefault(name, []).append(seed)
    rows = tuple((name, ", ".join(filter(None, listed)) or "–") for name, listed in seeds.items())
    return Table(("missing", "seeds"), rows[:MOST_ROWS], "ll")


def _cell_rows(results: Results) -> Iterator[dict[str, Any]]:
    for group in results.groups:
        for place, cell in enumerate([*group.ranked, *group.unranked], 1):
            found = group.intervals.get(cell.levels)
            test = None if cell.diverged else results.test.get(cell.levels)
            yield {
                **({"pictures": group.name} if group.name else {}),
                "rank": None if cell.diverged else place,
                **dict(zip(results.factors, cell.levels, strict=True)),
                **cell.chosen,
                "n_seeds": len(cell.seeds),
                "n_diverged": len(cell.diverged),
                "n_pictures": found.n_images if found else None,
                "best_val_accuracy": cell.mean,
                "low": found.low if found else None,
                "high": found.high if found else None,
                "last_val_accuracy": float(cell.last.mean()),
                "test_accuracy": test.mean if test else None,
                "test_low": test.low if test else None,
                "test_high": test.high if test else None,
                "train_seconds": float(cell.seconds.mean()),
            }
    for one in results.lost:
        levels = dict(zip(results.factors, one.levels, strict=True))
        yield {**levels, "n_seeds": 0, "n_diverged": len(one.seeds)}


CLAIM_COLUMNS = [
    "kind", "factors", "levels", "difference", "low", "high", "p_value", "corrected_p",
    "n_claims", "told_apart", "n_seeds", "n_pictures", "interval_covers", "note", "in_words",
]  # fmt: skip


def _notes(results: Results, claim: Claim) -> str:
    notes = _sameness(claim), left_out(results, claim), tuning_note(results, claim)
    return "; ".join(filter(None, notes))


def _sameness(claim: Claim) -> str:
    """Where a claim's sides gave the same answers."""
    if claim.same:
        return verdict_of_same(claim)
    if isinstance(claim, LevelEffect) and claim.same_with:
        arms = ", ".join(f"{factor} {level}" for factor, level in claim.same_with)
        return f"same predictions with {arms}"
    return ""


def _claim_rows(results: Results) -> Iterator[dict[str, Any]]:
    for group in results.groups:
        if group.comparison is None:
            continue
        for kind, claims in (
            ("effect", group.comparison.effects),
            ("interaction", group.comparison.interactions),
            ("cells", group.comparison.contrasts),
        ):
            for claim in claims:
                yield {
                    "kind": kind,
                    "factors": claim_factors(claim) if kind != "cells" else group.name,
                    "levels": claim_name(claim),
                    "difference": claim.found.difference,
                    "low": claim.found.low,
                    "high": claim.found.high,
                    "p_value": claim.found.p_value,
                    "corrected_p": claim.corrected_p,
                    "n_claims": claim.n_claims,
                    "told_apart": claim.told_apart,
                    "n_seeds": claim.found.n_seeds,
                    "n_pictures": claim.found.n_images,
                    "interval_covers": claim.found.covers,
                    "note": _notes(results, claim),
                    "in_words": in_words(claim, results.config.difference),
                }
