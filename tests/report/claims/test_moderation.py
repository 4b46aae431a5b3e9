"""The variance between seeds is learned from all cells of a study."""

import numpy as np
import pytest

from ablation.report.claims.comparison import compare
from ablation.report.claims.moderation import moderated, of_sums, parts_of_runs
from tests.report.claims.made_up import all_claims


def cells_of(rng, accuracies, sds, n_seeds=3, n_pictures=20_000):
    """Runs of nearly exact accuracies: (cell,) → right or wrong."""
    found = {}
    for n, (accuracy, sd) in enumerate(zip(accuracies, sds, strict=True)):
        reached = rng.normal(accuracy, sd, n_seeds).clip(0.01, 0.99)
        right = np.arange(n_pictures) < (reached * n_pictures).round()[:, None]
        found[(f"c{n}",)] = parts_of_runs(right)
    return found


def test_fewer_than_three_cells_share_nothing():
    rng = np.random.default_rng(0)
    assert moderated(cells_of(rng, [0.9] * 2, [0.02] * 2)) is None
    assert moderated(cells_of(rng, [0.9] * 3, [0.02] * 3)) is not None


def test_cells_that_differ_alike_learn_most_from_each_other():
    rng = np.random.default_rng(1)
    found = moderated(cells_of(rng, [0.9] * 40, [0.02] * 40))
    assert np.sqrt(found.prior) == pytest.approx(np.full(40, 0.02), rel=0.4)
    assert found.prior_freedom == 10
    pair = of_sums(found, [{("c0",): 1.0, ("c1",): -1.0}])
    assert pair.variance == pytest.approx(2 * 0.02**2, rel=0.9)
    assert pair.freedom > 10


def test_the_variance_follows_the_accuracy():
    rng = np.random.default_rng(2)
    found = moderated(cells_of(rng, [0.97] * 20 + [0.6] * 20, [0.01] * 20 + [0.05] * 20))
    assert np.sqrt(found.prior[:20]).mean() == pytest.approx(0.01, rel=0.4)
    assert np.sqrt(found.prior[20:]).mean() == pytest.approx(0.05, rel=0.4)


def test_cells_that_differ_in_ways_of_their_own_keep_their_variance():
    rng = np.random.default_rng(3)
    sds = 10 ** rng.uniform(-3.5, -1, 30)
    found = moderated(cells_of(rng, [0.8] * 30, sds, n_seeds=6))
    assert found.prior_freedom <= 2


def test_few_seeds_in_few_cells_say_little_about_others():
    rng = np.random.default_rng(4)
    found = moderated(cells_of(rng, [0.9] * 6, [0.02] * 6))
    assert found.prior_freedom <= 3


def test_a_mean_over_many_cells_depends_on_their_own_variance():
    """An arm that is noisier than its accuracy lets expect is not taken for a quiet one."""
    rng = np.random.default_rng(5)
    found = moderated(cells_of(rng, [0.8] * 24, [0.005] * 12 + [0.05] * 12, n_seeds=4))
    noisy = of_sums(found, [{(f"c{n}",): 1 / 12 for n in range(12, 24)}])
    assert np.sqrt(12 * noisy.variance[0]) == pytest.approx(0.05, rel=0.35)


def test_cells_without_any_variance_are_no_error():
    cells = {(f"c{n}",): np.ones((3, 50), dtype=bool) for n in range(4)}
    found = moderated({cell: parts_of_runs(table) for cell, table in cells.items()})
    assert np.all(found.prior > 0)
    assert all(claim.verdict == "open" for claim in all_claims(compare(
        cells, ["cell"], dict.fromkeys(cells, range(3))
    )))  # fmt: skip


def test_large_differences_of_three_seeds_are_found_among_eighteen_cells():
    rng = np.random.default_rng(6)
    arms = [0.93] * 6 + [0.88] * 6 + [0.6] * 6
    hard = rng.normal(0, 0.15, 153)
    cells = {
        (f"c{n}",): rng.random((3, 153)) < arm + rng.normal(0, 0.03, (3, 1)) + hard
        for n, arm in enumerate(arms)
    }
    found = compare(cells, ["cell"], dict.fromkeys(cells, range(3)))
    accuracy = dict(zip(cells, arms, strict=True))
    large = [pair for pair in found.contrasts if accuracy[pair.a] - accuracy[pair.b] > 0.2]
    assert len(large) == 72
    assert np.mean([pair.verdict == "different" for pair in large]) > 0.8


def test_runs_of_one_seed_that_answer_alike_are_compared_as_pairs():
    rng = np.random.default_rng(7)
    shared = rng.random((3, 400)) < 0.8 + rng.normal(0, 0.05, (3, 1))
    cells = {(f"c{n}",): shared ^ (rng.random((3, 400)) < 0.01) for n in range(6)}
    found = compare(cells, ["cell"], dict.fromkeys(cells, range(3)))
    widths = [pair.found.high - pair.found.low for pair in found.contrasts]
    of_a_cell = found.cells[0].accuracy
    assert np.median(widths) < 0.35 * (of_a_cell.high - of_a_cell.low)
