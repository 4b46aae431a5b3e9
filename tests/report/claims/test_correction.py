"""Holm's correction against statsmodels, worked examples and a simulation."""

import numpy as np
import pytest

from ablation.report.claims.correction import holm


def test_holm_on_a_worked_example():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]).shape == (0,)


def test_holm_without_weights_is_statsmodels_holm():
    from statsmodels.stats.multitest import multipletests

    for size in (1, 5, 75):
        p_values = np.random.default_rng(size).beta(0.3, 2, size)
        assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])
        assert holm(p_values, np.full(size, 7.0)) == pytest.approx(holm(p_values))


def test_holm_gives_the_chance_of_an_error_in_proportion_to_the_weights():
    # 0.01 with three quarters of it is rejected at 0.05 × 0.75; 0.02 is then alone.
    assert holm([0.01, 0.02], [3, 1]) == pytest.approx([0.01 / 0.75, 0.02])
    # Here the lighter one comes first: 0.001 / 0.25, then 0.02 with all that is left.
    assert holm([0.02, 0.001], [3, 1]) == pytest.approx([0.02, 0.004])
    with pytest.raises(ValueError, match="one weight above 0"):
        holm([0.01, 0.02], [1, 0])


def test_weighted_holm_makes_a_false_claim_in_at_most_5_percent_of_families():
    rng = np.random.default_rng(0)
    weights = rng.uniform(0.1, 3, 20)
    claimed = [np.any(holm(rng.uniform(size=20), weights) < 0.05) for _ in range(4000)]
    assert 0.035 < np.mean(claimed) < 0.06


@pytest.mark.parametrize("bad", [[-0.1], [1.1], [np.nan], [[0.1]]])
def test_holm_refuses_what_is_not_a_p_value(bad):
    with pytest.raises(ValueError, match="p-values"):
        holm(bad)
