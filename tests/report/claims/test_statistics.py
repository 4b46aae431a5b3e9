"""The statistical core against independent references, bounds, and small simulations."""

import subprocess
import sys
from itertools import pairwise, product

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from ablation.report.claims.statistics import (
    Contrast,
    contrast,
    mean_effect,
    mean_effects,
    mean_interval,
)
from tests.report.claims.made_up import one_seed


def simulate(rng, n, seeds, pictures, *, picture=2.0, own=0.8, seed=0.2, centre=2.0):
    """Answers of n pairs of equally good cells: (n, 2, seeds, pictures)."""
    eta = centre + picture * rng.standard_normal((n, 1, 1, pictures))
    eta = eta + own * rng.standard_normal((n, 2, 1, pictures))
    eta = eta + seed * rng.standard_normal((n, 2, seeds, 1))
    return eta + rng.logistic(size=(n, 2, seeds, pictures)) > 0


def assert_agrees_with_itself(found: Contrast):
    assert (found.p_value < 1 - found.confidence) == (found.low > 0 or found.high < 0)
    assert -1 <= found.low <= found.difference <= found.high <= 1
    assert found.low < found.high
    assert 0 <= found.p_value <= 1


# --- One seed


@pytest.mark.parametrize("overlap", range(8))
def test_146_against_142_of_153_is_never_a_difference_whatever_the_overlap(overlap):
    a, b = one_seed(only_a=4 + overlap, only_b=overlap, both=142 - overlap)
    assert (a.sum(), b.sum()) == (146, 142)
    found = contrast(a, b)
    assert found.difference == pytest.approx(4 / 153)
    assert found.p_value > 0.05
    assert found.low < 0 < found.high
    assert found.covers == "pictures"


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 0), (4, 0), (5, 0), (6, 0), (16, 6), (30, 8)])
def test_one_seed_claims_nothing_that_mcnemars_exact_test_does_not(only_a, only_b):
    found = contrast(*one_seed(only_a, only_b, both=100))
    exact = stats.binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0
    assert found.p_value >= exact * (1 - 1e-9)
    assert_agrees_with_itself(found)


def test_one_seed_has_bonett_and_prices_interval():
    found = contrast(*one_seed(20, 8, both=100))
    # Worked from their paper: one picture is added to each kind of disagreement.
    n, p12, p21 = 153 + 2, (20 + 1) / 155, (8 + 1) / 155
    error = np.sqrt((p12 + p21 - (p12 - p21) ** 2) / n)
    assert found.low == pytest.approx(p12 - p21 - 1.96 * error, abs=0.002)
    assert found.high == pytest.approx(p12 - p21 + 1.96 * error, abs=0.002)


def test_the_interval_of_one_runs_accuracy_is_wilsons():
    right = np.arange(153)[None] < 146
    low, high = proportion_confint(146, 153, method="wilson")
    found = mean_interval(right)
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.covers == "pictures"


# --- Several seeds


def test_where_nothing_but_the_seeds_vary_it_is_the_t_test_over_seeds():
    rng = np.random.default_rng(3)
    of_seed = np.array([0.30, 0.10, 0.22, 0.35, 0.18])
    table = of_seed[:, None] + 1e-3 * rng.standard_normal((5, 20_000))
    found = mean_effect(table)
    reference = stats.ttest_1samp(table.mean(axis=1), 0)
    interval = reference.confidence_interval()
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), abs=0.001)
    assert found.p_value == pytest.approx(reference.pvalue, rel=0.02)


def test_where_all_seeds_agree_it_is_the_test_over_pictures():
    rng = np.random.default_rng(4)
    of_picture = rng.normal(0.05, 0.2, 2000).clip(-1, 1)
    found = mean_effect(np.tile(of_picture, (5, 1)))
    interval = stats.ttest_1samp(of_picture, 0).confidence_interval()
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), abs=0.0005)


def test_the_variance_components_are_those_of_an_analysis_of_variance():
    rng = np.random.default_rng(5)
    seeds, pictures = 6, 3000
    table = (
        0.1 * rng.standard_normal((seeds, 1))
        + 0.2 * rng.standard_normal((1, pictures))
        + 0.3 * rng.standard_normal((seeds, pictures))
    )
    table = table.clip(-1, 1)
    means = table.mean(axis=1), table.mean(axis=0)
    residual = table - means[0][:, None] - means[1] + table.mean()
    ms_seed = pictures * means[0].var(ddof=1)
    ms_picture = seeds * means[1].var(ddof=1)
    ms_residual = np.sum(residual**2) / ((seeds - 1) * (pictures - 1))
    parts = mean_effect(table).components
    assert parts.seed == pytest.approx((ms_seed - ms_residual) / pictures, rel=0.02)
    assert parts.picture == pytest.approx((ms_picture - ms_residual) / seeds, rel=0.02)
    assert parts.residual == pytest.approx(ms_residual, rel=0.02)


def test_new_seeds_and_new_pictures_both_widen_the_interval():
    rng = np.random.default_rng(6)
    picture, seed = rng.normal(0, 0.3, (1, 400)).clip(-1, 1), rng.normal(0, 0.02, (5, 1))

    def width(table):
        found = mean_effect(np.broadcast_to(table, (5, 400)).clip(-1, 1))
        return found.high - found.low

    both = width(picture + seed)
    assert both > 1.05 * width(picture)
    assert both > 1.05 * width(seed)


@pytest.mark.parametrize("seeds", [1, 2, 3, 10])
@pytest.mark.parametrize("pictures", [1, 2, 20, 150])
def test_cells_that_never_differ_have_a_short_interval_but_not_an_empty_one(seeds, pictures):
    same = np.ones((seeds, pictures), dtype=bool)
    found = contrast(same, same)
    assert found.difference == 0
    assert found.p_value == pytest.approx(1)
    assert_agrees_with_itself(found)
    # No difference among n pictures leaves room for one in a few per n: the rule of three.
    assert found.high == pytest.approx(-found.low)
    assert min(0.5, 2.5 / pictures) < found.high
    assert mean_interval(same).low < 1
    assert mean_interval(same).high == 1


def test_cells_that_always_differ_differ_significantly_without_a_claim_to_certainty():
    found = contrast(np.ones((3, 150), bool), np.zeros((3, 150), bool))
    assert found.difference == 1
    assert found.low < 0.99
    assert found.high == 1
    assert found.p_value < 1e-6


@pytest.mark.parametrize("differing", range(1, 6))
def test_five_pictures_or_fewer_are_no_evidence_however_many_seeds(differing):
    a, b = np.ones((10, 150), dtype=bool), np.ones((10, 150), dtype=bool)
    b[:, :differing] = False
    found = contrast(a, b)
    assert found.p_value >= 0.05
    assert found.low <= 0


def test_seeds_whose_differences_happen_to_agree_are_no_strong_evidence():
    # Each of three seeds differs by the same 3 of 150, but on pictures all over the place.
    rng = np.random.default_rng(7)
    table = np.zeros((3, 150))
    for row in table:
        row[rng.permutation(150)[:27]] = np.repeat([1, -1], [15, 12])
    found = mean_effect(table)
    assert found.difference == pytest.approx(3 / 150)
    assert found.p_value > 0.01


def test_the_p_value_and_the_interval_agree_at_every_level():
    rng = np.random.default_rng(8)
    for seeds, pictures in product((1, 2, 3, 7), (5, 40, 300)):
        right = simulate(rng, 30, seeds, pictures, centre=rng.uniform(0, 5))
        right[:, 1] &= rng.random(right[:, 1].shape) < rng.uniform(0.7, 1)
        for a, b in right:
            for confidence in (0.5, 0.8, 0.95, 0.999):
                assert_agrees_with_itself(contrast(a, b, confidence))


def test_more_confidence_is_a_wider_interval():
    rng = np.random.default_rng(9)
    for a, b in simulate(rng, 20, 4, 60):
        found = [contrast(a, b, confidence) for confidence in (0.5, 0.9, 0.95, 0.99, 0.9999)]
        assert all(w.low <= n.low and n.high <= w.high for n, w in pairwise(found))
        assert len({round(f.p_value, 12) for f in found}) == 1


def test_b_minus_a_is_a_minus_b_mirrored():
    rng = np.random.default_rng(10)
    a, b = simulate(rng, 1, 3, 80)[0]
    there, back = contrast(a, b), contrast(b, a)
    assert back.difference == pytest.approx(-there.difference)
    assert (back.low, back.high) == pytest.approx((-there.high, -there.low))
    assert back.p_value == pytest.approx(there.p_value)
    assert there.reversed().reversed() == there


def test_the_order_of_seeds_and_of_pictures_does_not_matter():
    rng = np.random.default_rng(11)
    a, b = simulate(rng, 1, 5, 90)[0]
    seeds, pictures = rng.permutation(5), rng.permutation(90)
    shuffled = contrast(a[seeds][:, pictures], b[seeds][:, pictures])
    assert shuffled.low == pytest.approx(contrast(a, b).low)
    assert shuffled.p_value == pytest.approx(contrast(a, b).p_value)


def test_ones_and_zeros_are_as_good_as_booleans():
    rng = np.random.default_rng(12)
    a, b = simulate(rng, 1, 3, 50)[0]
    assert contrast(a.astype(int).tolist(), b.astype(float)) == contrast(a, b)


def test_many_tables_at_once_are_as_one_by_one():
    rng = np.random.default_rng(13)
    right = simulate(rng, 10, 3, 70)
    tables = right[:, 0].astype(float) - right[:, 1]
    assert mean_effects(tables) == [mean_effect(table) for table in tables]
    assert mean_effects(np.empty((0, 3, 70))) == []


def test_a_difference_of_differences_may_reach_two():
    table = np.full((3, 40), 2.0)
    assert mean_effect(table, limit=2).high == 2
    with pytest.raises(ValueError, match="above 1"):
        mean_effect(table)


RIGHT = np.ones((2, 3), dtype=bool)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (RIGHT, np.ones((3, 2), dtype=bool), "must be paired"),
        (RIGHT[0], RIGHT[0], "not \\(n_seeds, n_pictures\\)"),
        (RIGHT[:0], RIGHT[:0], "correct_a is empty"),
        (RIGHT[:, :0], RIGHT[:, :0], "correct_a is empty"),
        (RIGHT, np.full((2, 3), np.nan), "correct_b holds more than right"),
        (RIGHT, np.full((2, 3), 0.5), "correct_b holds more than right"),
        (RIGHT * 2, RIGHT, "correct_a holds more than right"),
        (RIGHT.astype(str), RIGHT, "correct_a holds more than right"),
        (RIGHT.astype(object), RIGHT, "correct_a holds more than right"),
    ],
)
def test_what_is_not_two_tables_of_right_and_wrong_is_refused(a, b, message):
    with pytest.raises(ValueError, match=message):
        contrast(a, b)


@pytest.mark.parametrize("confidence", [0, 1, 95, -0.1, float("nan")])
def test_a_confidence_outside_0_and_1_is_refused(confidence):
    with pytest.raises(ValueError, match="confidence"):
        contrast(RIGHT, RIGHT, confidence)
    with pytest.raises(ValueError, match="confidence"):
        mean_interval(RIGHT, confidence)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1.5])
def test_a_table_of_effects_with_an_impossible_value_is_refused(bad):
    table = np.zeros((3, 4))
    table[1, 2] = bad
    with pytest.raises(ValueError, match=r"not a finite number|is above 1 in size"):
        mean_effect(table)


# --- Small simulations: `tests/studies/calibration.py` is the thorough one


@pytest.mark.parametrize("seeds", [1, 3, 8])
def test_the_intervals_cover_about_95_percent(seeds):
    rng = np.random.default_rng(14)
    # With one seed the truth is of these weights: without variance of seeds both are the same.
    right = simulate(rng, 400, seeds, 120, seed=0.2 if seeds > 1 else 0.0)
    found = mean_effects(right[:, 0].astype(float) - right[:, 1])
    assert 0.91 <= np.mean([f.low <= 0 <= f.high for f in found]) <= 0.99
    truth = np.mean(simulate(rng, 1, 500, 4000, seed=0.2 if seeds > 1 else 0.0))
    cells = [mean_interval(table) for table in right[:, 0]]
    assert 0.90 <= np.mean([c.low <= truth <= c.high for c in cells]) <= 0.99


def test_small_p_values_are_not_too_frequent_with_three_seeds():
    rng = np.random.default_rng(15)
    right = simulate(rng, 3000, 3, 60, picture=1.0, own=0.2, seed=0.5)
    p_values = np.array([f.p_value for f in mean_effects(right[:, 0].astype(float) - right[:, 1])])
    assert np.mean(p_values < 0.05) < 0.065
    assert np.mean(p_values < 0.002) < 0.005


def test_nothing_heavy_is_imported_for_one_contrast():
    heavy = ["statsmodels", "pandas", "torch", "mlflow", "matplotlib"]
    code = (
        "import sys; from ablation.report.claims.statistics import contrast;"
        "contrast([[1, 0]], [[0, 0]]);"
        f"print([m for m in {heavy} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
