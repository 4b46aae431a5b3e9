"""From the cells of a study to its claims, corrected together."""

from itertools import combinations, product
from time import perf_counter

import numpy as np
import pytest

from ablation.report.claims.claim import Rules
from ablation.report.claims.comparison import compare
from ablation.report.claims.correction import holm
from ablation.report.claims.statistics import contrast, mean_interval
from ablation.report.claims.words import in_words
from tests.report.claims.made_up import GRID, all_claims, frozen_is_better, study

# --- What is claimed


def test_every_pair_of_cells_has_the_contrast_of_its_two_tables():
    cells, factors, seeds = study()
    found = compare(cells, factors, seeds)
    assert [(c.a, c.b) for c in found.contrasts] == list(combinations(cells, 2))
    for claim in found.contrasts:
        alone = contrast(cells[claim.a], cells[claim.b])
        assert claim.found.difference == alone.difference
        assert claim.found.shared_freedom > 0
    assert [c.accuracy.mean for c in found.cells] == [mean_interval(t).mean for t in cells.values()]


def test_two_cells_have_only_themselves_to_learn_from():
    cells, factors, seeds = study(lambda r: 0.8, {"reg": ("l1", "l2")})
    (pair,) = compare(cells, factors, seeds).contrasts
    assert pair.found == contrast(*cells.values())


def test_one_seed_makes_no_claim():
    for n in range(5):
        cells, factors, seeds = study(frozen_is_better, seeds=1, rng=n)
        assert all_claims(compare(cells, factors, seeds)) == ()
    cells, factors, seeds = study(frozen_is_better, seeds=3)
    # Nor do cells that share one.
    seeds = {cell: [n, n + 1, n + 2] for n, cell in zip(range(0, 24, 2), seeds, strict=True)}
    found = compare(cells, factors, seeds)
    assert all_claims(found) == ()
    assert len(found.cells) == 12


def test_comparisons_with_the_baseline_alone_are_fewer_and_lose_less_to_the_correction():
    cells, factors, seeds = study(frozen_is_better)
    every = compare(cells, factors, seeds)
    few = compare(cells, factors, seeds, rules=Rules(only_baseline=True))
    usual = tuple(few.baseline[factor] for factor in factors)
    assert [(c.a, c.b) for c in few.contrasts] == [(c, usual) for c in cells if c != usual]
    assert [claim.found for claim in few.effects] == [claim.found for claim in every.effects]
    of_pair = {frozenset((c.a, c.b)): c for c in every.contrasts}
    for claim in few.contrasts:
        other = of_pair[frozenset((claim.a, claim.b))]
        assert claim.found.p_value == pytest.approx(other.found.p_value)
        assert claim.corrected_p <= other.corrected_p + 1e-12


def test_several_looks_share_the_probability_of_an_error():
    cells, factors, seeds = study(frozen_is_better)
    once = compare(cells, factors, seeds)
    often = compare(cells, factors, seeds, rules=Rules(n_looks=4))
    for one, other in zip(all_claims(once), all_claims(often), strict=True):
        assert other.corrected_p == pytest.approx(min(4 * one.corrected_p, 1), rel=1e-6)
        assert other.found.low <= one.found.low
        assert other.found.high >= one.found.high
        assert other.found.confidence == 0.9875


def test_a_score_is_compared_as_right_and_wrong_are():
    cells, factors, seeds = study(frozen_is_better)
    right = compare(cells, factors, seeds)
    score = compare({cell: table.astype(float) for cell, table in cells.items()}, factors, seeds)
    for one, other in zip(all_claims(right), all_claims(score), strict=True):
        assert other.found.difference == pytest.approx(one.found.difference, abs=1e-12)
        assert other.found.p_value == pytest.approx(one.found.p_value, rel=1e-6)
    loss = {cell: 5 * (1 - table.astype(float)) for cell, table in cells.items()}
    for one, other in zip(
        all_claims(right), all_claims(compare(loss, factors, seeds)), strict=True
    ):
        assert other.found.difference == pytest.approx(-5 * one.found.difference, abs=1e-12)


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
    found = compare(cells, factors, seeds, rules=Rules(baseline={"transfer": "full"}))
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
        cells, factors, seeds = study(frozen_is_better, seeds=3, pictures=150, rng=n)
        effects = compare(
            cells, factors, seeds, rules=Rules(baseline={"transfer": "scratch"})
        ).effects
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
        cells, factors, seeds = study(frozen_is_better, seeds=2 + n % 3, pictures=40, rng=n)
        for claim in all_claims(compare(cells, factors, seeds)):
            assert claim.corrected_p >= claim.found.p_value
            if claim.is_significant:
                assert claim.found.excludes_zero
                assert claim.corrected_p < 0.05


def test_reports_without_a_true_difference_hardly_ever_claim_one():
    claiming = 0
    for n in range(30):
        cells, factors, seeds = study(seeds=3, pictures=60, rng=n)
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


def test_a_study_of_one_cell_or_of_none_claims_nothing():
    one = compare({("l1",): np.ones((3, 20), dtype=bool)}, ["reg"], {("l1",): [0, 1, 2]})
    assert all_claims(one) == ()
    assert one.shares is None
    assert all_claims(compare({}, ["reg"], {})) == ()
    no_factor = compare({(): np.ones((3, 20), dtype=bool)}, [], {(): [0, 1, 2]})
    assert len(no_factor.cells) == 1


def test_a_thousand_cells_are_compared_in_seconds():
    grid = {name: tuple(f"{name}{n}" for n in range(10)) for name in "abc"}
    cells, factors, seeds = study(lambda *levels: 0.8, grid, seeds=10, pictures=153)
    started = perf_counter()
    found = compare(cells, factors, seeds)
    words = [in_words(claim) for claim in all_claims(found)]
    assert perf_counter() - started < 20
    assert len(words) == 999 + 27 + 243
