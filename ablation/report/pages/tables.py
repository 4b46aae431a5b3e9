"""The tables of a report: as files for programs, and as rows of text for its pages.

Accuracies are fractions in the files and percentages on the pages, there with their 95 % interval
in brackets.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ablation.report.claims.claim import CellContrast, Interaction, LevelEffect, cell_name
from ablation.report.claims.groups import Group
from ablation.report.claims.results import Results
from ablation.report.evidence.cells import Cell, Tried
from ablation.report.pages.blocks import Table
from ablation.report.pages.pairs import Entry, average_accuracies, lost_here, of_seeds
from ablation.report.pages.text import (
    accuracy,
    claim_factors,
    claim_name,
    count,
    difference,
    duration,
    n_diverged,
    p_value,
    percent,
    points,
    verdict,
    with_interval,
)
from ablation.study import diverged

#: Most rows of a table on a page; the files hold all.
MOST_ROWS = 60


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
