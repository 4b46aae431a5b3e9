"""Sentences that say no more than their claims."""

import re

import pytest

from ablation.report.claims.claim import CellContrast, Interaction, LevelEffect, Rules
from ablation.report.claims.comparison import compare
from ablation.report.claims.statistics import Components, Contrast
from ablation.report.claims.words import in_words
from tests.report.claims.made_up import all_claims, frozen_is_better, study


def found_as(difference, low, high, p_value=0.5, n_seeds=5, n_pictures=153, parts=None):
    parts = parts or Components(0.0, 0.001, 0.05)
    return Contrast(difference, low, high, p_value, n_seeds, n_pictures, 0.95, parts)


def effect(found, corrected_p=None, n_claims=1, matched=1, rules=None, **names):
    return LevelEffect(
        **{"factor": "reg", "level": "l1", "baseline": "l2", **names},
        found=found,
        corrected_p=found.p_value if corrected_p is None else corrected_p,
        n_claims=n_claims,
        rules=rules or Rules(),
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
        r"open: l1 minus l2 is 0\.7 points \[-1\.9, 3\.3\], 5 seeds,"
        r" 153 pictures, averaged over 6 matched pairs of cells; about [\d,]+ seeds or [\d,]+"
        r" pictures would settle whether it is 1 point or more",
        sentence,
    )
    wide = effect(found_as(0.007, -0.019, 0.033), rules=Rules(difference=0.025))
    assert "whether it is 2.5 points or more" in in_words(wide)


def test_more_seeds_have_their_price_in_runs_and_minutes():
    sentence = in_words(effect(found_as(0.007, -0.019, 0.033), matched=6), seconds=30)
    runs, minutes = re.search(
        r"\(([\d,]+) more runs, about ([\d,]+) (?:minutes|hours)\)", sentence
    ).groups()
    seeds = int(re.search(r"about (\d+) seeds", sentence).group(1))
    assert 0 < int(runs.replace(",", "")) <= 12 * (seeds - 4)
    assert int(minutes) > 0


def test_an_interval_inside_the_difference_of_interest_makes_two_sides_the_same():
    claim = effect(found_as(0.002, -0.006, 0.0098))
    assert claim.verdict == "same"
    assert in_words(claim) == (
        "l1 and l2 are the same within 1 point: 0.2 points [-0.6, 1.0], 5 seeds, 153 pictures"
    )
    assert effect(found_as(0.002, -0.006, 0.0101)).verdict == "open"
    assert effect(found_as(0.002, -0.006, 0.0098), rules=Rules(difference=0.005)).verdict == "open"
    # A difference that is there is told, however small it is.
    assert effect(found_as(0.005, 0.001, 0.009, p_value=1e-4)).verdict == "different"


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        (Components(0.0, 0.1, 0.05), "more seeds alone would not"),
        (Components(0.01, 0.0, 0.05), "more pictures alone would not"),
        (Components(0.01, 0.1, 0.05), "it takes both"),
        (Components(0.0, 1e-5, 1e-4), "that is enough to detect 1 point"),
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
    assert sentence.startswith("open: l1 minus l2 is 3.0 points [0.4, 5.6]")
    assert "its own interval excludes 0, but" in sentence
    assert "all 75 comparisons" in sentence
    assert "corrected p = 0.4" in sentence


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
        cells, factors, seeds = study(frozen_is_better, seeds=(2, 3, 5)[n % 3], pictures=60, rng=n)
        for claim in all_claims(compare(cells, factors, seeds)):
            sentence = in_words(claim)
            says_so = " beats " in sentence or " higher with " in sentence
            assert says_so == (claim.verdict == "different")
            assert sentence.startswith("open: ") == (claim.verdict == "open")
            assert ("the same within" in sentence) == (claim.verdict == "same")
            low, high = map(float, re.search(r"\[(\S+), (\S+)\]", sentence).groups())
            if says_so:
                assert low > 0
                assert claim.corrected_p < 0.05
                assert claim.found.p_value < 0.05
            assert low <= high
