"""Whether an untuned learning rate could be the reason for a difference."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from ablation.report.claims.claim import (
    CellContrast,
    Claim,
    Comparison,
    Interaction,
    LevelEffect,
    Tuning,
)
from ablation.report.evidence.cells import Cell
from ablation.report.evidence.runs import Runs

#: Contrasts across these factors say little unless each level has its own best learning rate.
NEED_TUNING = ("optimizer", "transfer")
LEARNING_RATE = "optimizer.lr"

AnyClaim = TypeVar("AnyClaim", bound=Claim)


def tuning_of(found: Runs, cells: Sequence[Cell]) -> Tuning:
    """How a study chose its learning rates.

    Args:
        found: the study's runs.
        cells: all its cells in which a run finished.
    """
    is_searched = LEARNING_RATE in found.searched
    if is_searched and all(len(cell.tried) > 1 for cell in cells):
        return "each tuned"
    if LEARNING_RATE in found.factors:
        return "compared"
    return "some tuned" if is_searched else "fixed"


def with_tuning(comparison: Comparison, tuning: Tuning) -> Comparison:
    """The same claims, with the study's tuning in each that compares across `NEED_TUNING`."""

    def noted(claims: Sequence[AnyClaim]) -> tuple[AnyClaim, ...]:
        return tuple(
            replace(claim, tuning=tuning) if _needs_tuning(claim) else claim for claim in claims
        )

    return replace(
        comparison,
        contrasts=noted(comparison.contrasts),
        effects=noted(comparison.effects),
        interactions=noted(comparison.interactions),
    )


def _needs_tuning(claim: Claim) -> bool:
    return not set(_across(claim)).isdisjoint(NEED_TUNING)


def _across(claim: Claim) -> tuple[str, ...]:
    """The factors on which a claim's sides differ."""
    match claim:
        case LevelEffect():
            return (claim.factor,)
        case Interaction():
            return claim.factors
        case CellContrast():
            pairs = zip(claim.factors, claim.a, claim.b, strict=True)
            return tuple(factor for factor, a, b in pairs if a != b)
    raise TypeError(f"not a claim of a report: {claim!r}")
