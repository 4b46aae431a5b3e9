"""Shares of variance against statsmodels' analysis of variance."""

import numpy as np
import pytest
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from ablation.report.claims.shares import variance_shares


def test_variance_shares_are_those_of_statsmodels_analysis_of_variance():
    import pandas as pd

    rng = np.random.default_rng(17)
    grid = rng.normal(0.8, 0.02, (3, 2, 4))
    grid += np.array([0, 0.1, 0.2])[:, None, None] + np.array([0, 0.03])[None, :, None]
    index = np.array(list(np.ndindex(grid.shape)))
    table = pd.DataFrame(index, columns=["a", "b", "s"]).assign(y=grid.ravel())
    squares = anova_lm(ols("y ~ C(a) * C(b) + C(s)", table).fit())
    total, chance = squares["sum_sq"].sum(), squares["mean_sq"]["Residual"]
    shares = variance_shares(grid, ["a", "b"])
    for ours, theirs in {"a": "C(a)", "b": "C(b)", "a × b": "C(a):C(b)", "seed": "C(s)"}.items():
        row = squares.loc[theirs]
        expected = max(row["sum_sq"] - row["df"] * chance, 0) / total
        assert shares[ours] == pytest.approx(expected)
    assert list(shares) == ["a", "b", "a × b", "seed", "rest"]


@pytest.mark.parametrize("shape", [(2, 1), (3, 4), (3, 2, 1), (2, 3, 2, 3), (1, 2, 5)])
def test_variance_shares_add_up_to_one(shape):
    rng = np.random.default_rng(18)
    names = [f"f{n}" for n in range(len(shape) - 1)]
    shares = variance_shares(rng.random(shape), names)
    assert sum(shares.values()) == pytest.approx(1)
    assert min(shares.values()) >= 0


def test_a_factor_without_effect_has_about_no_share():
    rng = np.random.default_rng(19)
    shares = [variance_shares(rng.random((4, 3, 3)), ["a", "b"])["a"] for _ in range(200)]
    assert np.mean(shares) < 0.05  # Plain eta squared would be 3 / 35.


def test_one_factor_that_decides_everything_has_all_the_share():
    grid = np.broadcast_to(np.array([0.7, 0.8, 0.95])[:, None, None], (3, 2, 4))
    assert variance_shares(grid, ["transfer", "reg"])["transfer"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        (np.ones((2, 2, 3)), "no variance"),
        (np.ones((2, 3)), "shape"),
        (np.empty((0, 2, 3)), "shape"),
        (np.full((2, 2, 3), np.nan), "not finite"),
    ],
)
def test_an_incomplete_or_constant_grid_has_no_variance_shares(grid, message):
    with pytest.raises(ValueError, match=message):
        variance_shares(grid, ["a", "b"])
