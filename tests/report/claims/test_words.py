"""Sentences that say no more than their claims."""

import re

import numpy as np
import pytest

from ablation.report.claims.claim import CellContrast, Interaction, LevelEffect
from ablation.report.claims.comparison import compare
from ablation.report.claims.statistics import Components, Contrast
from ablation.report.claims.words import in_words
from tests.report.claims.made_up import all_claims, frozen_is_better, study


def found_as(difference, low, high, p_value=0.5, n_seeds=5, n_pictures=153, parts=None):
    parts = parts or Components(0.0, 0.001, 0.05)
    return Contrast(difference, low, high, p_value, n_seeds, n_pictures, 0.95, parts)


def effect(found, corrected_p=None, n_claims=1, matched=1, level="l1", baseline="l2", factor="reg"):
    return LevelEffect(
        found=found,
        corrected_p=found.p_value if corrected_p is None else corrected_p,
        n_claims=n_claims,
        factor=factor,
        level=level,
        baseline=baseline,
        matched=matched,
        possible=matched,
    )


def test_a_clear_difference_names_the_better_level_first():
    clear = found_as(0.213, 0.17, 0.256, p_value=1e-6)
    claim = effect(clear, level="frozen", baseline="scratch", factor="transfer")
    sentence = "frozen beats scratch by 21.3 points [17.0, 25.6], 5 seeds, 153 pictures"
    assert in_words(claim) == sentence
    turned = effect(clear.reversed(), level="scratch", baseline="frozen", factor="transfer")
    assert in_words(turned) == sentence


def test_an_unclear_difference_says_what_it_would_take():
    sentence = in_words(effect(found_as(0.007, -0.019, 0.033), matched=6))
    assert re.fullmatch(
        r"no evidence of a difference between l1 and l2: 0\.7 points \[-1\.9, 3\.3\], 5 seeds,"
        r" 153 pictures, averaged over 6 matched pairs of cells; about [\d,]+ seeds or [\d,]+"
        r" pictures would be needed to detect a difference of 1 point",
        sentence,
    )
    assert "a difference of 2.5 points" in in_words(effect(found_as(0.007, -0.019, 0.033)), 0.025)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        (Components(0.0, 0.1, 0.05), "more seeds alone would not be enough"),
        (Components(0.01, 0.0, 0.05), "more pictures alone would not be enough"),
        (Components(0.01, 0.1, 0.05), "it takes both"),
        (Components(0.0, 1e-5, 1e-4), "that is enough to detect a difference of 1 point"),
    ],
)
def test_where_no_number_would_do_the_words_say_so(parts, words):
    sentence = in_words(effect(found_as(0.007, -0.019, 0.033, parts=parts)))
    assert words in sentence
    assert "None" not in sentence


def test_a_difference_that_does_not_survive_the_correction_is_not_claimed():
    claim = effect(found_as(0.03, 0.004, 0.056, p_value=0.02), corrected_p=0.4, n_claims=75)
    sentence = in_words(claim)
    assert "beats" not in sentence
    assert sentence.startswith("the difference between l1 and l2 is significant only before corr")
    assert "all 75 comparisons" in sentence
    assert "corrected p = 0.4" in sentence


def test_one_seed_speaks_of_these_weights_only():
    parts = Components(None, 0.05, None)
    clear = found_as(0.2, 0.15, 0.25, p_value=1e-6, n_seeds=1, parts=parts)
    sentence = in_words(effect(clear))
    assert sentence.startswith("on these weights, l1 beats l2 by 20.0 points")
    assert "1 seed, 153 pictures (for new pictures, not for new seeds)" in sentence
    unclear = found_as(0.02, -0.01, 0.05, n_seeds=1, parts=parts)
    sentence = in_words(effect(unclear))
    assert sentence.startswith("on these weights, no evidence of a difference between")
    assert "more seeds to say anything about others" in sentence


def test_one_run_each_of_146_and_142_pictures_is_no_evidence_of_a_difference():
    right = np.arange(153)
    cells = {("l1",): right[None] < 146, ("l2",): right[None] < 142}
    (pair,) = compare(cells, ["reg"], {("l1",): [0], ("l2",): [0]}).contrasts
    assert not pair.is_significant
    assert in_words(pair).startswith(
        "on these weights, no evidence of a difference between l1 and l2: 2.6 points [-0.7, 5.8]"
    )


def test_pairs_of_cells_are_named_by_what_differs():
    claim = CellContrast(
        found=found_as(0.2, 0.15, 0.25, p_value=1e-6),
        corrected_p=1e-5,
        n_claims=75,
        factors=("transfer", "reg", "optimizer"),
        a=("frozen", "l1", "adam"),
        b=("scratch", "l2", "adam"),
    )
    assert in_words(claim).startswith("frozen + l1 beats scratch + l2 (both with adam) by 20.0")


def test_an_interaction_is_told_as_where_the_difference_is_higher():
    claim = Interaction(
        found=found_as(-0.08, -0.12, -0.04, p_value=1e-4),
        corrected_p=0.01,
        n_claims=75,
        factors=("transfer", "reg"),
        levels=("frozen", "l1"),
        baselines=("scratch", "l2"),
        matched=2,
        possible=2,
    )
    assert in_words(claim) == (
        "frozen minus scratch is 8.0 points [4.0, 12.0] higher with l2 than with l1, 5 seeds,"
        " 153 pictures, averaged over 2 matched squares of cells"
    )


def test_levels_that_say_little_alone_bear_their_factors_name():
    claim = effect(found_as(0.2, 0.1, 0.3, 1e-6), level="0.5", baseline="true", factor="dropout")
    assert in_words(claim).startswith("dropout=0.5 beats dropout=true by")


def test_rounding_never_puts_a_zero_into_the_interval_of_a_claim():
    sentence = in_words(effect(found_as(0.0123, 0.0002, 0.0244, p_value=0.04)))
    assert "beats l2 by 1.23 points [0.02, 2.44]" in sentence
    around_zero = in_words(effect(found_as(-0.0001, -0.0103, 0.0101)))
    assert "0.0 points [-1.0, 1.0]" in around_zero
    assert "-0.0" not in around_zero


def test_no_sentence_says_more_than_its_claim():
    for n in range(12):
        cells, factors, seeds = study(frozen_is_better, seeds=(1, 3, 5)[n % 3], pictures=60, rng=n)
        for claim in all_claims(compare(cells, factors, seeds)):
            sentence = in_words(claim)
            says_so = " beats " in sentence or " higher with " in sentence
            assert says_so == claim.is_significant
            low, high = map(float, re.search(r"\[(\S+), (\S+)\]", sentence).groups())
            if says_so:
                assert low > 0
                assert claim.corrected_p < 0.05
                assert claim.found.p_value < 0.05
            assert sentence.startswith("on these weights, ") == (claim.found.n_seeds == 1)
            assert low <= high
