"""Cross-validated means: what their variance consists of, and that pictures and runs both count."""

import numpy as np
import pytest

from ablation.report.claims.comparison import compare
from ablation.report.claims.folds import between_and_within, fold_means
from ablation.report.claims.statistics import mean_effects, mean_interval
from ablation.report.claims.words import in_words

FOLDS = np.arange(100)[None] % 5


def test_fold_means_are_means_over_each_folds_pictures():
    table = np.random.default_rng(0).random((3, 2, 100))
    folds = np.stack([FOLDS[0], np.random.default_rng(1).permutation(FOLDS[0])])
    found = fold_means(table, folds)
    assert found.shape == (3, 2, 5)
    assert found[1, 1, 3] == pytest.approx(table[1, 1, folds[1] == 3].mean())


def test_what_pictures_explain_is_told_from_what_runs_do():
    rng = np.random.default_rng(2)
    alike = rng.normal(size=(4000, 1, 100))
    between, within = between_and_within(alike, FOLDS)
    # A fold's mean over 20 pictures of variance 1.
    assert within.mean() == pytest.approx(1 / 20, rel=0.03)
    assert between.mean() == pytest.approx(1 / 20, rel=0.05)
    runs = rng.normal(size=(4000, 1, 5)) * 0.3
    between, within = between_and_within(alike + runs[:, :, FOLDS[0]], FOLDS)
    assert within.mean() == pytest.approx(1 / 20, rel=0.03)
    assert between.mean() - within.mean() == pytest.approx(0.09, rel=0.05)


def test_runs_that_differ_count_by_the_pictures_that_they_have_in_common():
    """Nadeau & Bengio's (2003) factor, 1 / K + 1 / (K - 1), on the variance of the runs."""
    runs = np.repeat([[-0.2, -0.1, 0.0, 0.1, 0.2]], 20, axis=0).ravel()
    # Without pseudo-pictures and pictures that differ, only the runs' variance is left.
    table = (runs + np.tile([1e-6, -1e-6], 50))[None, None]
    (found,) = mean_effects(table, folds=FOLDS)
    runs_part = np.var([-0.2, -0.1, 0.0, 0.1, 0.2], ddof=1) * (1 / 5 + 1 / 4)
    pictures_part = found.components.picture / 102
    assert found.error**2 == pytest.approx(runs_part + pictures_part, rel=0.02)
    assert found.n_folds == 5
    assert found.covers == "seeds and pictures"


def test_divisions_average_out_what_runs_start_from_and_not_what_they_learn_from():
    rng = np.random.default_rng(3)
    noise = rng.normal(size=(300, 3, 100)) * 0.01
    folds = np.repeat(FOLDS, 3, axis=0)
    by_start = rng.normal(size=(300, 3, 5)) * 0.1
    own = [one.error for one in mean_effects(noise + by_start[:, :, FOLDS[0]], folds=folds)]
    # The same in every division: what the pictures of the other folds teach.
    by_pictures = np.repeat(rng.normal(size=(300, 1, 5)) * 0.1, 3, axis=1)
    shared = [one.error for one in mean_effects(noise + by_pictures[:, :, FOLDS[0]], folds=folds)]
    assert np.median(own) < 0.75 * np.median(shared)


def test_the_interval_of_a_cell_widens_with_what_its_folds_differ_by():
    rng = np.random.default_rng(4)
    even = rng.random((1, 100)) < 0.8
    uneven = np.sort(even, axis=1)
    uneven = uneven[:, np.argsort(np.argsort(FOLDS[0] * 20 + np.arange(100) // 5))]
    plain, wide = (mean_interval(table, folds=FOLDS) for table in (even, uneven))
    assert plain.mean == wide.mean
    assert wide.high - wide.low > 1.3 * (plain.high - plain.low)


def test_one_division_is_enough_for_a_claim_and_is_named_by_its_folds():
    rng = np.random.default_rng(5)
    good, bad = rng.random((1, 100)) < 0.95, rng.random((1, 100)) < 0.5
    cells = {("good",): good, ("bad",): bad}
    found = compare(cells, ["arm"], dict.fromkeys(cells, (0,)), folds={0: FOLDS[0]})
    (claim,) = found.contrasts
    assert claim.verdict == "different"
    assert "5 folds, 100 pictures" in in_words(claim)
    assert compare(cells, ["arm"], dict.fromkeys(cells, (0,))).contrasts == ()


def test_an_open_question_asks_for_pictures_and_not_for_folds():
    rng = np.random.default_rng(6)
    a, b = rng.random((2, 1, 100)) < 0.8
    cells = {("a",): a, ("b",): b}
    found = compare(cells, ["arm"], dict.fromkeys(cells, (0,)), folds={0: FOLDS[0]})
    said = in_words(found.contrasts[0], seconds=10)
    assert "pictures in all would settle" in said
    assert "more folds would not" in said
