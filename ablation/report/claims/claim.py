"""The claims that a report makes."""

from dataclasses import dataclass
from typing import Literal

from ablation.report.claims.statistics import Contrast, MeanAccuracy

#: A cell by its levels, in the order of the factors.
Levels = tuple[str, ...]
#: What two cells have in common on every picture: the class predicted, or only whether it is right.
Same = Literal["", "right", "predictions"]
#: What a report says of a difference: the sides are "different" (after correction), the "same"
#: within the smallest difference of interest (equivalent), or the question is "open".
Verdict = Literal["different", "same", "open"]
#: How the learning rates of a claim's two sides were chosen: "each tuned" where every cell has its
#: own best one, "some tuned" where only some cells have, "compared" where the rate is a factor,
#: "fixed" where it is the same everywhere, "not needed" within one optimizer and transfer mode.
Tuning = Literal["not needed", "each tuned", "some tuned", "compared", "fixed"]


@dataclass(frozen=True)
class CellMean:
    """A cell's mean accuracy over its seeds, with its interval."""

    cell: Levels
    accuracy: MeanAccuracy


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A difference as the report states it, corrected for all other claims of the report.

    Attributes:
        found: the difference with its interval and p-value.
        corrected_p: the p-value after Holm's correction.
        n_claims: claims of the report, this one included.
        margin: the smallest difference of interest, a fraction above 0.
        same: what its two sides have in common in every seed and every pair of cells: the predicted
            classes, only which predictions were right, or neither ("").
        tuning: how the learning rates of its sides were chosen.
    """

    found: Contrast
    corrected_p: float
    n_claims: int
    margin: float = 0.01
    same: Same = ""
    tuning: Tuning = "not needed"

    @property
    def verdict(self) -> Verdict:
        """Different, the same within the margin, or open.

        The sides are the same where the interval lies inside the margin: two one-sided tests
        (Schuirmann 1987, *J. Pharmacokinet. Biopharm.* 15:657).
        """
        found = self.found
        # A corrected p-value is never below the raw one, so the interval then leaves out 0 too.
        if self.corrected_p < 1 - found.confidence and found.excludes_zero:
            return "different"
        return "same" if -self.margin < found.low and found.high < self.margin else "open"

    @property
    def is_significant(self) -> bool:
        """Whether the report says that there is a difference."""
        return self.verdict == "different"


@dataclass(frozen=True, kw_only=True)
class CellContrast(Claim):
    """Cell `a` minus cell `b`, both levels in the order of `factors`."""

    factors: tuple[str, ...]
    a: Levels
    b: Levels


@dataclass(frozen=True, kw_only=True)
class LevelEffect(Claim):
    """Main effect: `level` minus `baseline`, averaged over pairs of cells equal in all else.

    Attributes:
        matched: pairs of cells that are averaged over.
        possible: pairs that a full grid would hold.
        same_with: (factor, level) of the other factors' levels at which all predictions of the two
            sides are the same; empty where that is so at every level.
    """

    factor: str
    level: str
    baseline: str
    matched: int
    possible: int
    same_with: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Interaction(Claim):
    """The effect of the first factor's level at the second's level, minus that at its baseline.

    Attributes:
        matched: squares of four cells that are averaged over.
        possible: squares that a full grid would hold.
        idle: where `same`, the factor that changes no prediction at either level of the other.
    """

    factors: tuple[str, str]
    levels: tuple[str, str]
    baselines: tuple[str, str]
    matched: int
    possible: int
    idle: str = ""


@dataclass(frozen=True)
class Comparison:
    """All that a report says about accuracies, in the order of the cells and factors given.

    Attributes:
        shares: factor → its share of the variance of the runs' accuracies; None unless the grid is
            full and the accuracies vary.
        n_claims: claims that are corrected together.
    """

    factors: tuple[str, ...]
    baseline: dict[str, str]
    cells: tuple[CellMean, ...]
    contrasts: tuple[CellContrast, ...]
    effects: tuple[LevelEffect, ...]
    interactions: tuple[Interaction, ...]
    shares: dict[str, float] | None
    n_claims: int


def cell_name(cell: Levels) -> str:
    """A cell as it is named in sentences and tables."""
    return ", ".join(cell) or "the only cell"
