"""The claims that a report makes."""

from dataclasses import dataclass
from typing import Literal

from ablation.report.claims.statistics import Contrast, MeanAccuracy

#: A cell by its levels, in the order of the factors.
Levels = tuple[str, ...]
#: What two cells have in common on every picture: the class predicted, or only whether it is right.
Same = Literal["", "right", "predictions"]


@dataclass(frozen=True)
class CellMean:
    cell: Levels
    accuracy: MeanAccuracy


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A difference, as the report states it: with its correction for all others beside it."""

    found: Contrast
    corrected_p: float
    n_claims: int  # In the report's family, this one included.
    same: Same = ""  # What its two sides have in common, in every seed and every pair of cells.

    @property
    def significant(self) -> bool:
        """Whether the report says that there is a difference."""
        # A corrected p-value is never below the raw one, so the interval then leaves out 0 too.
        return self.corrected_p < 1 - self.found.confidence and self.found.excludes_zero


@dataclass(frozen=True, kw_only=True)
class CellContrast(Claim):
    """Levels `a` minus cell `b`."""

    factors: tuple[str, ...]
    a: Levels
    b: Levels


@dataclass(frozen=True, kw_only=True)
class LevelEffect(Claim):
    """`level` minus `baseline`, averaged over pairs of cells that are alike in all else."""

    factor: str
    level: str
    baseline: str
    matched: int  # Pairs of cells averaged over.
    possible: int  # Pairs that a full grid would hold.
    #: Other factors' levels with which all predictions are the same, where not all of all are.
    same_with: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Interaction(Claim):
    """The effect of the first factor's level at the second's level, minus that at its baseline."""

    factors: tuple[str, str]
    levels: tuple[str, str]
    baselines: tuple[str, str]
    matched: int  # Squares of four cells averaged over.
    possible: int
    idle: str = ""  # The factor that changes nothing at either level of the other, where `same`.


@dataclass(frozen=True)
class Comparison:
    """All that a report says about accuracies, in the order of the cells and factors given."""

    factors: tuple[str, ...]
    baseline: dict[str, str]
    cells: tuple[CellMean, ...]
    contrasts: tuple[CellContrast, ...]
    effects: tuple[LevelEffect, ...]
    interactions: tuple[Interaction, ...]
    shares: dict[str, float] | None  # None unless the grid is full and its accuracies vary.
    n_claims: int


def cell_name(cell: Levels) -> str:
    return ", ".join(cell) or "the only cell"
