"""The section "Pairs of factors": accuracy by the levels of two factors, as tables."""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from ablation.report.claims.findings import Findings
from ablation.report.claims.metric import ACCURACY, Metric
from ablation.report.claims.pair_tables import MOST_PAIRS, Entry, PairTable, pairs_of_factors
from ablation.report.claims.results import Results
from ablation.report.pages.blocks import Block, PageFigure, Table, Text
from ablation.report.pages.cell_text import diverged_of
from ablation.report.pages.numbers import interval, value
from ablation.report.pages.overview import best_validation

#: Tables of the first pair of factors.
MOST_TABLES = 24


def pairs(results: Results, group: Findings, figures: Sequence[PageFigure]) -> Iterator[Block]:
    """The first pair for each combination of the other factors, then the other pairs' means."""
    first = group.first_pair
    if first:
        percent = ", %," if group.metric.is_share else ""
        yield Text(f"{best_validation(group.metric)}{percent} with its 95 % interval.", "remark")
    for pair in first[:MOST_TABLES]:
        yield pair_table(pair, group.metric)
    if len(first) > MOST_TABLES:
        yield Text(
            f"{MOST_TABLES} of {len(first):,} combinations of the other factors; `cells.csv` has "
            "all.",
            "remark",
        )
    for pair in group.other_pairs:
        yield pair_table(pair, group.metric)
    n_pairs = len(pairs_of_factors(group.compared))
    if n_pairs and not first:
        whole = math.prod(len(group.levels[factor]) for factor in group.compared)
        n_cells = len(group.cells) + len(group.diverged_cells)
        yield Text(
            f"{n_cells} of the {whole:,} combinations of all levels: too few to show factors in "
            "pairs.",
            "remark",
        )
    elif n_pairs > MOST_PAIRS:
        yield Text(f"{MOST_PAIRS} of {n_pairs} pairs of factors.", "remark")
    yield from figures


def pair_table(pair: PairTable, metric: Metric) -> Table:
    """The levels of one factor as rows, those of the other as columns."""

    def text(row: str, column: str) -> str:
        entry = pair.entries.get((row, column))
        return "missing" if entry is None else entry_text(entry, metric)

    rows = tuple((row, *(text(row, column) for column in pair.columns)) for row in pair.rows)
    header = (f"{pair.factors[0]} \\ {pair.factors[1]}", *pair.columns)
    return Table(header, rows, "l" + "r" * len(pair.columns), pair_name(pair))


def pair_name(pair: PairTable) -> str:
    """What a table is of: "transfer × reg, optimizer adam"."""
    fixed = "".join(f", {factor} {level}" for factor, level in pair.others.items())
    name = f"{pair.factors[0]} × {pair.factors[1]}{fixed}"
    if pair.n_averaged:
        name += f"; mean over {pair.n_averaged:,} combinations of the other factors"
    return name


def entry_text(entry: Entry, metric: Metric = ACCURACY) -> str:
    """A mean with its interval, or how many of its runs diverged."""
    if np.isnan(entry.mean):
        return entry_note(entry)
    if entry.n_diverged:
        return f"{value(metric, entry.mean)} ({entry_note(entry)})"
    if np.isnan(entry.low):
        return value(metric, entry.mean)
    return interval(metric, entry.mean, entry.low, entry.high)


def entry_note(entry: Entry) -> str:
    """Why an accuracy is missing or too high: "1 of 3 seeds diverged"; else empty."""
    if np.isnan(entry.mean):
        return "diverged"
    return diverged_of(entry.n_diverged, entry.n_seeds) if entry.n_diverged else ""
