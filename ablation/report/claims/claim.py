"""The claims that a report makes."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from ablation.report.claims.metric import ACCURACY, Metric
from ablation.report.claims.moderation import SeedVariances
from ablation.report.claims.statistics import Contrast, MeanAccuracy
from ablation.study.fractions import Fraction

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
class Rules:
    """By which rules a report makes its claims.

    Attributes:
        confidence: of intervals; all claims of a report hold together at it, between 0 and 1.
        metric: what is compared.
        difference: the smallest difference of interest, in units of the score, above 0.
        n_looks: how many times a study may be looked at whose seeds are added until its questions
            are settled. Each look then has an equal part of the probability of an error: intervals
            of differences are of level 1 - (1 - confidence) / n_looks, and p-values are multiplied
            by n_looks. The look at which a claim's seeds end depends on the data, but at no look
            is a p-value below t / n_looks with a probability above t / n_looks where there is no
            difference, and so at all of them together with none above t (Bonferroni).
        baseline: of some or all factors, the level that the others are compared with; for the rest
            it is the first level.
        only_baseline: whether cells are compared with the one of the baseline levels only, and not
            in all pairs: fewer claims, and so narrower intervals.
    """

    confidence: float = 0.95
    metric: Metric = ACCURACY
    difference: float = 0.01
    n_looks: int = 1
    only_baseline: bool = False
    baseline: Mapping[str, str] = field(default_factory=dict)


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
        corrected_p: the p-value after Holm's correction and that for several looks.
        n_claims: claims of the report, this one included.
        rules: by which the claim was made.
        same: what its two sides have in common in every seed and every pair of cells: the predicted
            classes, only which predictions were right, or neither ("").
        tuning: how the learning rates of its sides were chosen.
    """

    found: Contrast
    corrected_p: float
    n_claims: int
    rules: Rules = Rules()
    same: Same = ""
    tuning: Tuning = "not needed"

    @property
    def verdict(self) -> Verdict:
        """Different, the same within the smallest difference of interest, or open.

        The sides are the same where the interval lies inside that difference on either side of 0:
        two one-sided tests (Schuirmann 1987, *J. Pharmacokinet. Biopharm.* 15:657).
        """
        found, margin = self.found, self.rules.difference
        # A corrected p-value is never below the raw one, so the interval then leaves out 0 too.
        if self.corrected_p < 1 - self.rules.confidence and found.excludes_zero:
            return "different"
        return "same" if -margin < found.low and found.high < margin else "open"

    @property
    def n_cells(self) -> int:
        """The cells that it takes another run of for one more seed."""
        raise NotImplementedError

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

    @property
    def n_cells(self) -> int:
        return 2

    def reversed(self) -> "CellContrast":
        """Cell `b` minus cell `a`."""
        return replace(self, found=self.found.reversed(), a=self.b, b=self.a)


@dataclass(frozen=True, kw_only=True)
class LevelEffect(Claim):
    """Main effect: `level` minus `baseline`, averaged over pairs of cells equal in all else.

    Attributes:
        matched: pairs of cells that are averaged over; of a fraction, its cells with each level.
        possible: pairs that a full grid would hold.
        fraction: whose cells are averaged over, all of them, and not pairs; None for pairs.
        same_with: (factor, level) of the other factors' levels at which all predictions of the two
            sides are the same; empty where that is so at every level.
    """

    factor: str
    level: str
    baseline: str
    matched: int
    possible: int
    fraction: Fraction | None = None
    same_with: tuple[tuple[str, str], ...] = ()

    @property
    def n_cells(self) -> int:
        return 2 * self.matched


@dataclass(frozen=True, kw_only=True)
class Interaction(Claim):
    """The effect of the first factor's level at the second's level, minus that at its baseline.

    Attributes:
        matched: squares of four cells that are averaged over; of a fraction, its cells with each
            combination of the levels.
        possible: squares that a full grid would hold.
        fraction: whose cells are averaged over, all of them, and not squares; None for squares.
        idle: where `same`, the factor that changes no prediction at either level of the other.
    """

    factors: tuple[str, str]
    levels: tuple[str, str]
    baselines: tuple[str, str]
    matched: int
    possible: int
    fraction: Fraction | None = None
    idle: str = ""

    @property
    def n_cells(self) -> int:
        return 4 * self.matched


@dataclass(frozen=True)
class Comparison:
    """All that a report says about accuracies, in the order of the cells and factors given.

    Attributes:
        prior: what the cells' seed variances have in common; None where nothing was shared.
        shares: factor → its share of the variance of the runs' accuracies; None unless the grid is
            full and the accuracies vary.
        n_claims: claims that are corrected together.
        fraction: the regular fraction of a full grid that the cells are, perhaps with some of its
            cells missing; None for other cells.
    """

    factors: tuple[str, ...]
    baseline: dict[str, str]
    cells: tuple[CellMean, ...]
    contrasts: tuple[CellContrast, ...]
    effects: tuple[LevelEffect, ...]
    interactions: tuple[Interaction, ...]
    prior: SeedVariances | None
    shares: dict[str, float] | None
    n_claims: int
    fraction: Fraction | None = None


def cell_name(cell: Levels) -> str:
    """A cell as it is named in sentences and tables."""
    return ", ".join(cell) or "the only cell"
