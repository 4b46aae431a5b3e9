"""Which cells, and which of their seeds, a claim is made from."""

import numpy as np
import pytest

from ablation.report.claims.claim import Rules
from ablation.report.claims.comparison import compare
from ablation.report.claims.statistics import contrast
from ablation.report.claims.words import in_words
from tests.report.claims.made_up import all_claims, frozen_is_better, study


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


def test_with_many_cells_each_is_compared_with_the_baseline_cell_only():
    grid = {f"f{n}": ("a", "b", "c") for n in range(3)}
    cells, factors, seeds = study(lambda *levels: 0.8, grid, seeds=2, pictures=30)
    found = compare(cells, factors, seeds, rules=Rules(baseline={"f1": "b"}))
    assert {c.b for c in found.contrasts} == {("a", "b", "a")}
    assert len(found.contrasts) == 26
    del cells["a", "b", "a"]
    without = compare(cells, factors, seeds, rules=Rules(baseline={"f1": "b"}))
    assert {c.b for c in without.contrasts} == {("a", "a", "a")}  # Also two of three levels.


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c, f, s: f.append("reg"), "named twice"),
        (lambda c, f, s: f.append("model"), "1 levels for 2 factors"),
        (lambda c, f, s: s.pop(("l1",)), "cell \\(l1\\) has no seeds"),
        (lambda c, f, s: s.update({("l1",): [0, 1]}), "5 rows for the seeds 0, 1"),
        (lambda c, f, s: s.update({("l1",): [0, 1, 2, 3, 3]}), "seeds 0, 1, 2, 3, 3"),
        (lambda c, f, s: c.update({("l1",): np.ones((5, 9))}), "not run on the same pictures"),
        (lambda c, f, s: c.update({("l1",): np.full((5, 153), np.nan)}), "not a finite number"),
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
        compare(cells, factors, seeds, rules=Rules(baseline={"model": "resnet18"}))
    with pytest.raises(ValueError, match="reg=l3: its levels are l1, l2"):
        compare(cells, factors, seeds, rules=Rules(baseline={"reg": "l3"}))
