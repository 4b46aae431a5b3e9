"""Figures and claims as short texts."""

from collections.abc import Iterable

import numpy as np

from ablation.report.claims.claim import CellContrast, Claim, Interaction, LevelEffect, cell_name
from ablation.report.claims.groups import Group
from ablation.report.claims.results import Results
from ablation.report.claims.tuning import tuning_note
from ablation.report.evidence.cells import Cell


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
