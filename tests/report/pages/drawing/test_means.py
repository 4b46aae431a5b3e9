"""Means of cells as dots and heat maps."""

from pathlib import Path

import numpy as np

from ablation.report.claims.metric import ACCURACY
from ablation.report.pages.drawing.means import dots, heat_maps
from tests.report.made_up import Study
from tests.report.reading import ARMS, LARGE, by_transfer, results_of


def test_every_mean_has_a_point_for_each_of_its_seeds(tmp_path: Path) -> None:
    (group,) = results_of(tmp_path, LARGE).groups
    figure = dots(group.ranked, group.intervals, ACCURACY, {}, None)
    strokes = [line for line in figure.axes[0].lines if line.get_marker() == "|"]
    assert len(strokes) == len(group.ranked)
    for cell, stroke in zip(group.ranked, strokes, strict=True):
        assert np.allclose(stroke.get_xdata(), 100 * cell.best)


def test_one_seed_has_no_verdict_and_so_no_legend(tmp_path: Path) -> None:
    (group,) = results_of(tmp_path, Study(ARMS, by_transfer)).groups
    assert not dots(group.ranked, group.intervals, ACCURACY, {}, None).legends
    assert len(heat_maps(group.first_pair, (0.5, 1), ACCURACY).axes) == 1
