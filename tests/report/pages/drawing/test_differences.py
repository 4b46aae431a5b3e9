"""Differences, drawn."""

from pathlib import Path

import numpy as np

from ablation.report.pages.drawing.differences import Arms, estimation, forest, matrix
from tests.report.reading import LARGE, results_of


def test_a_forest_plot_has_a_legend_of_its_verdicts(tmp_path: Path) -> None:
    (group,) = results_of(tmp_path, LARGE).groups
    assert group.comparison is not None
    claims = group.comparison.effects
    figure = forest(claims, [claim.level for claim in claims])
    (legend,) = figure.legends
    words = {text.get_text().partition(" (")[0] for text in legend.get_texts()}
    names = {"different": "different", "open": "open", "same": "the same within 1 point"}
    assert words == {names[claim.verdict] for claim in claims}


def test_an_estimation_plot_shows_every_seed_of_both_sides_and_their_difference(
    tmp_path: Path,
) -> None:
    (group,) = results_of(tmp_path, LARGE).groups
    one = group.sides[0]
    arms = Arms((one.effect.level, one.effect.baseline), one.reached, one.effect)
    above, below = estimation([arms]).axes
    points = [line for line in above.lines if line.get_marker() in ("o", "s")]
    assert [len(line.get_ydata()) for line in points] == [3, 3]
    paired = np.asarray(below.lines[0].get_ydata())
    assert np.allclose(paired, 100 * (one.reached[0] - one.reached[1]))
    assert np.isclose(paired.mean(), 100 * one.effect.found.difference)


def test_a_matrix_has_each_pair_twice_with_opposite_signs(tmp_path: Path) -> None:
    (group,) = results_of(tmp_path, LARGE).groups
    assert group.comparison is not None
    cells = [cell.levels for cell in group.ranked]
    pairs = {(one.a, one.b): one for one in group.comparison.contrasts}
    pairs |= {(one.b, one.a): one.reversed() for one in group.comparison.contrasts}
    axes = matrix(cells, pairs).axes[0]
    assert len(axes.texts) == len(cells) * (len(cells) - 1)
    values = axes.images[0].get_array()
    assert np.allclose(np.triu(values, 1), -np.tril(values, -1).T, equal_nan=True)
