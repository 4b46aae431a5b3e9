"""Accuracy by two factors: a table for each combination of the others, or a mean over them."""

import numpy as np
import pytest

from ablation.report.claims.pair_tables import average_scores
from ablation.report.claims.results import Results
from tests.report.reading import LARGE, results_of


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return results_of(tmp_path_factory.mktemp("grid"), LARGE)


def test_there_is_a_table_of_transfer_and_reg_for_each_optimizer(grid: Results) -> None:
    first = grid.groups[0].first_pair
    assert [pair.others for pair in first] == [{"optimizer": "adam"}, {"optimizer": "sgd"}]
    for pair in first:
        assert pair.factors == ("transfer", "reg")
        assert (pair.rows, pair.columns) == (("full", "frozen", "scratch"), ("l1", "l2"))
        assert len(pair.entries) == 6


def test_the_other_pairs_are_means_over_matched_cells(grid: Results) -> None:
    (group,) = grid.groups
    pairs = {pair.factors: pair for pair in group.other_pairs}
    assert set(pairs) == {("transfer", "optimizer"), ("reg", "optimizer")}
    entry = pairs["transfer", "optimizer"].entries["full", "sgd"]
    cells = [cell.mean for cell in group.cells if cell.levels[::2] == ("full", "sgd")]
    assert entry.mean == pytest.approx(np.mean(cells))
    assert entry.low < entry.mean < entry.high


def test_an_average_over_cells_that_are_equal_has_their_interval() -> None:
    right = np.random.default_rng(0).random((4, 200)) < 0.9
    (one,) = average_scores([[right]])
    (two,) = average_scores([[right, right]])
    assert one == two
    assert one.mean == pytest.approx(right.mean())
    assert 0.02 < one.high - one.low < 0.12
