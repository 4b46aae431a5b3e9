"""A claim's name, difference and verdict as short texts. Whole sentences are in `claims.words`."""

from collections.abc import Iterable

from ablation.report.claims.claim import CellContrast, Claim, Interaction, LevelEffect, cell_name
from ablation.report.claims.results import Results
from ablation.report.claims.words import count, tuning_note
from ablation.report.pages.numbers import points


def claim_factors(claim: Claim) -> str:
    """The factors that a claim is about: "transfer × reg"."""
    match claim:
        case LevelEffect():
            return claim.factor
        case Interaction():
            return " × ".join(claim.factors)
    return "cells"


def claim_name(claim: Claim) -> str:
    """What is subtracted from what: "frozen − scratch"."""
    match claim:
        case CellContrast():
            return f"({cell_name(claim.a)}) − ({cell_name(claim.b)})"
        case LevelEffect():
            return f"{claim.level} − {claim.baseline}"
        case Interaction():
            (level, here), (base, there) = claim.levels, claim.baselines
            return f"({level} − {base}) with {here}, minus that with {there}"
    raise TypeError(f"not a claim of a report: {claim!r}")


def difference(claim: Claim) -> str:
    """A claim's difference with its interval, of an accuracy in points: "+2.6 [-1.7, 6.9]".

    More decimals are given where one would make the interval a point, or include 0 by rounding.
    """
    found, metric = claim.found, claim.rules.metric
    nearest = min(abs(found.low), abs(found.high))
    decimals = metric.decimals
    while decimals < metric.decimals + 3 and (
        round(metric.scale * (found.high - found.low), decimals) == 0
        or (found.excludes_zero and round(metric.scale * nearest, decimals) == 0)
    ):
        decimals += 1
    low, high = (round(metric.scale * bound, decimals) + 0.0 for bound in (found.low, found.high))
    # A fraction as points or, of another score, as it is.
    middle = points(metric.scale * found.difference / 100, decimals)
    return f"{middle} [{low:.{decimals}f}, {high:.{decimals}f}]"


def verdict(claim: Claim) -> str:
    """In a few words; with a dagger where the learning rate may be the reason."""
    if claim.same:
        return verdict_of_same(claim)
    words: str = claim.verdict
    if words == "same":
        words = f"the same within {claim.rules.metric.amount(claim.rules.difference)}"
    return f"{words} †" if tuning_note(claim) else words


def verdict_of_same(claim: Claim) -> str:
    """The verdict on a claim whose sides gave the same answers."""
    return "same predictions" if claim.same == "predictions" else "right on the same pictures"


def dagger(claims: Iterable[Claim]) -> str:
    """What the dagger beside some of these claims stands for; empty where there is none."""
    notes = dict.fromkeys(note for claim in claims if (note := tuning_note(claim)))
    return f"† {'; '.join(notes)}." if notes else ""


def left_out(results: Results, claim: Claim) -> str:
    """Which cells a claim about levels leaves out because runs diverged there; may be empty."""
    diverged = [
        *(cell.levels for cell in results.diverged_cells),
        *(cell.levels for cell in results.cells if cell.diverged),
    ]
    cells = []
    if isinstance(claim, Interaction) and diverged:
        cells = [count(len(diverged), "cell")]
    if isinstance(claim, LevelEffect):
        at = results.factors.index(claim.factor)
        for level in (claim.level, claim.baseline):
            n = sum(levels[at] == level for levels in diverged)
            if n:
                cells.append(f"{count(n, 'cell')} with {level}")
    return f"runs diverged in {' and '.join(cells)}, which this leaves out" if cells else ""
