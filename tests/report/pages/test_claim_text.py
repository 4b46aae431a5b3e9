"""Verdicts and differences: never more than the claim says."""

from pathlib import Path

import pytest

from ablation.report.claims.claim import Claim
from ablation.report.claims.results import Results
from ablation.report.claims.statistics import Components, Contrast
from ablation.report.pages.claim_text import dagger, difference, verdict
from tests.report.made_up import Study
from tests.report.reading import LARGE, by_transfer, results_of


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return results_of(tmp_path_factory.mktemp("grid"), LARGE)


def test_contrasts_across_transfers_say_that_the_learning_rate_was_not_tuned(
    grid: Results,
) -> None:
    comparison = grid.groups[0].comparison
    assert comparison is not None
    marked = {claim.factor: verdict(claim).endswith("†") for claim in comparison.effects}
    assert marked == {"transfer": True, "reg": False, "optimizer": True}
    assert dagger(comparison.effects) == "† learning rate fixed, not tuned."


def test_with_a_searched_learning_rate_nothing_has_to_be_said_of_it(tmp_path: Path) -> None:
    axes = {"transfer": ["full", "frozen"], "optimizer.lr": ["1e-4", "1e-3", "1e-2"]}
    made = Study(axes, by_transfer, seeds=(0, 1))
    results = results_of(tmp_path, made, nuisance=["optimizer.lr"])
    comparison = results.groups[0].comparison
    assert comparison is not None
    assert not dagger(comparison.effects)


def claim_of(low: float, high: float, corrected_p: float, middle: float | None = None) -> Claim:
    """A claim whose p-value before correction fits its interval."""
    found = Contrast(
        difference=(low + high) / 2 if middle is None else middle,
        low=low,
        high=high,
        p_value=0.5 if low < 0 < high else 0.01,
        n_seeds=1,
        n_pictures=9,
        confidence=0.95,
        components=Components(seed=None, picture=0.1, residual=None),
    )
    return Claim(found=found, corrected_p=corrected_p, n_claims=7)


@pytest.mark.parametrize(
    ("claim", "words"),
    [
        (claim_of(0.01, 0.09, corrected_p=0.02), "different"),
        (claim_of(0.01, 0.09, corrected_p=0.2), "open"),
        (claim_of(-0.01, 0.09, corrected_p=1.0), "open"),
        (claim_of(-0.009, 0.009, corrected_p=1.0), "the same within 1 point"),
    ],
)
def test_each_verdict_has_one_wording(claim: Claim, words: str) -> None:
    assert verdict(claim) == words


@pytest.mark.parametrize(
    ("found", "text"),
    [
        ((0.0261, -0.0098, 0.0621), "+2.6 [-1.0, 6.2]"),
        ((-0.0001, -0.02, 0.01), "0.0 [-2.0, 1.0]"),
        ((0.0006, 0.0002, 0.0301), "+0.06 [0.02, 3.01]"),
        ((0.0, -0.0002, 0.0002), "0.00 [-0.02, 0.02]"),
    ],
)
def test_a_difference_is_never_rounded_into_another_claim(
    found: tuple[float, float, float], text: str
) -> None:
    middle, low, high = found
    assert difference(claim_of(low, high, 1.0, middle)) == text
