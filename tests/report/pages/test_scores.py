"""Scores beside the accuracy, and what a cell cost."""

from pathlib import Path

import pytest

from ablation.report.pages.scores import cost_table, scores_table
from tests.report.made_up import Study
from tests.report.reading import LARGE, results_of


def test_every_cell_has_its_scores_over_the_seeds(tmp_path: Path) -> None:
    results = results_of(tmp_path, LARGE)
    (group,) = results.groups
    table = scores_table(results, group.ranked)
    assert len(table.rows) == 12
    for row, cell in zip(table.rows, group.ranked, strict=True):
        assert float(row[1]) == pytest.approx(100 * cell.best.mean(), abs=0.05)
        assert all(float(text) >= 0 for text in row[1:])


def test_costs_are_shown_where_runs_logged_them(tmp_path: Path) -> None:
    costs = {"trained_parameters": 3_384_000.0, "peak_memory_mb": 1200.0}
    made = Study({"reg": ["l1"]}, lambda _: 0.9, metrics=lambda *_: costs)
    (group,) = results_of(tmp_path / "new", made).groups
    assert cost_table(group.ranked).rows[0][3:] == ("3,384,000", "1,200")
    (old,) = results_of(tmp_path / "old", Study({"reg": ["l1"]}, lambda _: 0.9)).groups
    assert cost_table(old.ranked).rows[0][3:] == ("–", "–")
