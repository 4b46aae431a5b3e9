"""How much data a difference needs, against simulated studies."""

import numpy as np
import pytest

from ablation.report.claims.power import needed
from ablation.report.claims.statistics import Components, Contrast, contrast, mean_effects
from tests.report.claims.made_up import one_seed


def planned(n_seeds=5, n_pictures=153, seed=1e-4, picture=0.02, residual=0.05):
    parts = Components(seed, picture, residual)
    return Contrast(0.0, -0.1, 0.1, 0.5, n_seeds, n_pictures, 0.95, parts)


def test_what_is_needed_has_the_power_it_promises():
    found = planned(seed=4e-4, picture=0.002, residual=0.05)
    seeds = needed(found, difference=0.02).seeds
    assert seeds is not None
    rng = np.random.default_rng(16)
    tables = 0.02 + np.concatenate(
        [
            np.sqrt(4e-4) * rng.standard_normal((40, seeds, 1))
            + np.sqrt(0.002) * rng.standard_normal((40, 1, 153))
            + np.sqrt(0.05) * rng.standard_normal((40, seeds, 153))
            for _ in range(10)
        ]
    )
    found_significant = np.mean([f.low > 0 for f in mean_effects(tables, limit=10)])
    assert 0.70 <= found_significant <= 0.90


def test_more_data_is_needed_for_smaller_differences():
    found = planned()
    wide, narrow = needed(found, 0.05), needed(found, 0.02)
    assert wide.pictures < narrow.pictures
    assert needed(found, 0.05, power=0.9).pictures > wide.pictures


def test_no_number_of_seeds_makes_up_for_too_few_pictures_and_the_reverse():
    pictures_differ = needed(planned(seed=0.0, picture=0.1), 0.01)
    assert pictures_differ.seeds is None
    assert pictures_differ.pictures is not None
    seeds_differ = needed(planned(seed=0.01, picture=0.0), 0.01)
    assert seeds_differ.seeds is not None
    assert seeds_differ.pictures is None
    both_differ = needed(planned(seed=0.01, picture=0.1), 0.01)
    assert (both_differ.seeds, both_differ.pictures) == (None, None)


def test_one_seed_cannot_say_how_many_seeds_are_needed():
    plan = needed(contrast(*one_seed(6, 2, both=100)))
    assert plan.seeds is None
    # z = 1.96 + 0.84, squared, times the variance between pictures, over (1 point)².
    assert plan.pictures == pytest.approx(7.85 * (10 / 155) / 0.01**2, rel=0.02)


@pytest.mark.parametrize(("difference", "power"), [(0, 0.8), (-1, 0.8), (0.01, 0), (0.01, 1)])
def test_an_impossible_plan_is_refused(difference, power):
    with pytest.raises(ValueError, match=r"difference|power"):
        needed(planned(), difference, power)
