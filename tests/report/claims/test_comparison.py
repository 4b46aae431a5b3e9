"""From the cells of a study to its claims, and to words that say no more than these."""

import re
from itertools import combinations, product
from time import perf_counter

import numpy as np
import pytest

from ablation.report.claims.claim import CellContrast, Comparison, Interaction, LevelEffect
from ablation.report.claims.comparison import compare
from ablation.report.claims.correction import holm
from ablation.report.claims.statistics import Components, Contrast, contrast, mean_interval
from ablation.report.claims.words import in_words

GRID = {
    "transfer": ("scratch", "frozen", "full"),
    "reg": ("l1", "l2"),
    "optimizer": ("adam", "sgd"),
}


def study(accuracy=lambda *levels: 0.85, grid=GRID, seeds=5, images=153, rng=0, picture=0.15):
    """Made-up cells, whose pictures are partly hard for all, and their seeds."""
    rng = np.random.default_rng(rng)
    hard = rng.normal(0, picture, images)
    keys = list(product(*grid.values()))
    cells = {key: rng.random((seeds, images)) < accuracy(*key) + hard for key in keys}
    return cells, list(grid), {key: list(range(seeds)) for key in keys}


def all_claims(found: Comparison):
    return (*found.contrasts, *found.effects, *found.interactions)


def frozen_is_better(transfer, reg, optimizer):
    return {"scratch": 0.6, "frozen": 0.9, "full": 0.75}[transfer]


# --- What is claimed


def test_every_pair_of_cells_has_the_contrast_of_its_two_tables():
    cells, factors, seeds = study()
    found = compare(cells, factors, seeds)
    assert [(c.a, c.b) for c in found.contrasts] == list(combinations(cells, 2))
    for claim in found.contrasts:
        assert claim.found == contrast(cells[claim.a], cells[claim.b])
    assert [c.accuracy for c in found.cells] == [mean_interval(t) for t in cells.values()]


def test_a_levels_effect_is_the_mean_over_matched_cells():
    cells, factors, seeds = study(frozen_is_better)
    found = compare(cells, factors, seeds)
    effect = next(e for e in found.effects if e.level == "frozen")
    by_hand = np.mean(
        [
            cells["frozen", reg, opt].mean() - cells["scratch", reg, opt].mean()
            for reg, opt in product(GRID["reg"], GRID["optimizer"])
        ]
    )
    assert effect.found.difference == pytest.approx(by_hand)
    assert (effect.baseline, effect.matched, effect.possible) == ("scratch", 4, 4)
    assert effect.is_significant
    assert [(e.factor, e.level) for e in found.effects] == [
        ("transfer", "frozen"),
        ("transfer", "full"),
        ("reg", "l2"),
        ("optimizer", "sgd"),
    ]


def test_an_interaction_is_a_difference_of_differences():
    def sgd_helps_full_only(transfer, reg, optimizer):
        return 0.9 if (transfer, optimizer) == ("full", "sgd") else 0.5

    cells, factors, seeds = study(sgd_helps_full_only)
    found = compare(cells, factors, seeds)
    both = next(i for i in found.interactions if i.levels == ("full", "sgd"))
    mean = {key: table.mean() for key, table in cells.items()}
    by_hand = np.mean(
        [
            (mean["full", r, "sgd"] - mean["scratch", r, "sgd"])
            - (mean["full", r, "adam"] - mean["scratch", r, "adam"])
            for r in GRID["reg"]
        ]
    )
    assert both.found.difference == pytest.approx(by_hand)
    assert both.is_significant
    assert not any(i.is_significant for i in found.interactions if "reg" in i.factors)
    assert len(found.interactions) == 2 + 2 + 1


def test_the_baseline_can_be_set():
    cells, factors, seeds = study(frozen_is_better)
    found = compare(cells, factors, seeds, baseline={"transfer": "full"})
    assert found.baseline == {"transfer": "full", "reg": "l1", "optimizer": "adam"}
    effects = {e.level: e.found.difference for e in found.effects if e.factor == "transfer"}
    assert effects["scratch"] < 0 < effects["frozen"]


def test_all_claims_of_a_report_are_corrected_together():
    cells, factors, seeds = study(frozen_is_better)
    found = compare(cells, factors, seeds)
    claims = all_claims(found)
    assert found.n_claims == len(claims) == 66 + 4 + 5
    # Effects, interactions and pairs share the chance of an error in equal parts.
    n = {"contrasts": 66, "effects": 4, "interactions": 5}
    weights = [1 / n[kind] for kind in n for _ in getattr(found, kind)]
    by_kind = [*found.contrasts, *found.effects, *found.interactions]
    assert len(by_kind) == len(claims)
    claims = by_kind
    expected = holm([claim.found.p_value for claim in claims], weights)
    assert [claim.corrected_p for claim in claims] == pytest.approx(expected)
    assert {claim.n_claims for claim in claims} == {75}


def test_a_large_effect_is_significant_with_three_seeds_in_a_grid_of_twelve():
    told = []
    for n in range(20):
        cells, factors, seeds = study(frozen_is_better, seeds=3, images=150, rng=n)
        effects = compare(cells, factors, seeds, baseline={"transfer": "scratch"}).effects
        told.append(next(e.is_significant for e in effects if e.level == "frozen"))
    assert np.mean(told) > 0.8


def test_a_claim_made_twice_is_corrected_for_once():
    # With one factor of two levels its effect is its only pair, the other way round.
    cells, factors, seeds = study(lambda r: 0.8, {"reg": ("l1", "l2")})
    found = compare(cells, factors, seeds)
    (pair,), (effect,) = found.contrasts, found.effects
    assert found.n_claims == 1
    assert pair.corrected_p == effect.corrected_p == pair.found.p_value
    assert effect.found == pair.found.reversed()


def test_whatever_is_significant_has_an_interval_without_zero_and_a_small_corrected_p():
    for n in range(20):
        cells, factors, seeds = study(frozen_is_better, seeds=1 + n % 4, images=40, rng=n)
        for claim in all_claims(compare(cells, factors, seeds)):
            assert claim.corrected_p >= claim.found.p_value
            if claim.is_significant:
                assert claim.found.excludes_zero
                assert claim.corrected_p < 0.05


def test_reports_without_a_true_difference_hardly_ever_claim_one():
    claiming = 0
    for n in range(30):
        cells, factors, seeds = study(seeds=3, images=60, rng=n)
        claiming += any(c.is_significant for c in all_claims(compare(cells, factors, seeds)))
    assert claiming <= 5  # Of 30 at 5 %, that or fewer has a probability of 99.7 %.


def test_shares_are_of_the_full_grid():
    cells, factors, seeds = study(frozen_is_better)
    shares = compare(cells, factors, seeds).shares
    assert shares is not None
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["transfer"] > 0.8
    del cells["full", "l2", "sgd"]
    assert compare(cells, factors, seeds).shares is None


# --- Incomplete studies


def test_effects_are_over_complete_matched_cells_only():
    cells, factors, seeds = study(frozen_is_better)
    del cells["frozen", "l2", "sgd"]
    found = compare(cells, factors, seeds)
    effect = next(e for e in found.effects if e.level == "frozen")
    assert (effect.matched, effect.possible) == (3, 4)
    by_hand = np.mean(
        [
            cells["frozen", *others].mean() - cells["scratch", *others].mean()
            for others in (("l1", "adam"), ("l1", "sgd"), ("l2", "adam"))
        ]
    )
    assert effect.found.difference == pytest.approx(by_hand)
    assert "averaged over 3 of 4 matched pairs of cells" in in_words(effect)


def test_cells_are_paired_on_the_seeds_that_they_share_in_any_order():
    cells, factors, seeds = study(lambda r: 0.8, {"reg": ("l1", "l2")})
    cells["l1",], seeds["l1",] = cells["l1",][[4, 2, 0]], [4, 2, 0]
    (pair,) = compare(cells, factors, seeds).contrasts
    assert pair.found.n_seeds == 3
    expected = contrast(cells["l1",], cells["l2",][[4, 2, 0]])
    assert pair.found.low == pytest.approx(expected.low)


def test_cells_without_a_shared_seed_are_not_compared():
    cells, factors, seeds = study(lambda r: 0.8, {"reg": ("l1", "l2")})
    seeds["l1",] = [10, 11, 12, 13, 14]
    found = compare(cells, factors, seeds)
    assert all_claims(found) == ()
    assert (found.n_claims, found.shares, len(found.cells)) == (0, None, 2)


def test_one_cell_with_a_single_seed_does_not_cost_the_others_theirs():
    cells, factors, seeds = study(frozen_is_better)
    lonely = ("frozen", "l2", "sgd")
    cells[lonely], seeds[lonely] = cells[lonely][:1], [0]
    effect = next(e for e in compare(cells, factors, seeds).effects if e.level == "frozen")
    assert (effect.matched, effect.found.n_seeds) == (3, 5)


def test_one_cell_that_lacks_one_seed_is_still_averaged_over():
    cells, factors, seeds = study(frozen_is_better)
    late = ("frozen", "l2", "sgd")
    cells[late], seeds[late] = cells[late][1:], [1, 2, 3, 4]
    effect = next(e for e in compare(cells, factors, seeds).effects if e.level == "frozen")
    assert (effect.matched, effect.found.n_seeds) == (4, 4)


def test_a_study_of_one_cell_or_of_none_claims_nothing():
    one = compare({("l1",): np.ones((3, 20), dtype=bool)}, ["reg"], {("l1",): [0, 1, 2]})
    assert all_claims(one) == ()
    assert one.shares is None
    assert all_claims(compare({}, ["reg"], {})) == ()
    no_factor = compare({(): np.ones((3, 20), dtype=bool)}, [], {(): [0, 1, 2]})
    assert len(no_factor.cells) == 1


def test_with_many_cells_each_is_compared_with_the_baseline_cell_only():
    grid = {f"f{n}": ("a", "b", "c") for n in range(3)}
    cells, factors, seeds = study(lambda *levels: 0.8, grid, seeds=2, images=30)
    found = compare(cells, factors, seeds, baseline={"f1": "b"})
    assert {c.b for c in found.contrasts} == {("a", "b", "a")}
    assert len(found.contrasts) == 26
    del cells["a", "b", "a"]
    without = compare(cells, factors, seeds, baseline={"f1": "b"})
    assert {c.b for c in without.contrasts} == {("a", "a", "a")}  # Also two of three levels.


def test_a_thousand_cells_are_compared_in_seconds():
    grid = {name: tuple(f"{name}{n}" for n in range(10)) for name in "abc"}
    cells, factors, seeds = study(lambda *levels: 0.8, grid, seeds=10, images=153)
    started = perf_counter()
    found = compare(cells, factors, seeds)
    words = [in_words(claim) for claim in all_claims(found)]
    assert perf_counter() - started < 20
    assert len(words) == 999 + 27 + 243


# --- What is refused


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c, f, s: f.append("reg"), "named twice"),
        (lambda c, f, s: f.append("model"), "1 levels for 2 factors"),
        (lambda c, f, s: s.pop(("l1",)), "cell \\(l1\\) has no seeds"),
        (lambda c, f, s: s.update({("l1",): [0, 1]}), "5 rows for the seeds 0, 1"),
        (lambda c, f, s: s.update({("l1",): [0, 1, 2, 3, 3]}), "seeds 0, 1, 2, 3, 3"),
        (lambda c, f, s: c.update({("l1",): np.ones((5, 9))}), "not run on the same pictures"),
        (lambda c, f, s: c.update({("l1",): np.full((5, 153), 0.5)}), "cell \\(l1\\) holds more"),
    ],
)
def test_cells_that_do_not_fit_together_are_refused(change, message):
    cells, factors, seeds = study(lambda r: 0.8, {"reg": ("l1", "l2")})
    change(cells, factors, seeds)
    with pytest.raises(ValueError, match=message):
        compare(cells, factors, seeds)


def test_an_unknown_baseline_is_refused():
    cells, factors, seeds = study()
    with pytest.raises(ValueError, match="model: no such factor"):
        compare(cells, factors, seeds, baseline={"model": "resnet18"})
    with pytest.raises(ValueError, match="reg=l3: its levels are l1, l2"):
        compare(cells, factors, seeds, baseline={"reg": "l3"})


# --- Words


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
        cells, factors, seeds = study(frozen_is_better, seeds=(1, 3, 5)[n % 3], images=60, rng=n)
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
