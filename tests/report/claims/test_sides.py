"""Both sides of an effect, and the pictures that flip."""

from pathlib import Path

import numpy as np
import pytest

from tests.report.made_up import Study
from tests.report.reading import ARMS, LARGE, by_transfer, results_of


def test_both_sides_of_each_effect_have_the_difference_that_is_claimed(tmp_path: Path) -> None:
    (group,) = results_of(tmp_path, LARGE).groups
    assert group.comparison is not None
    assert [one.effect for one in group.sides] == list(group.comparison.effects)
    for one in group.sides:
        assert one.reached.shape == (2, 3)
        gap = one.reached[0].mean() - one.reached[1].mean()
        assert gap == pytest.approx(one.effect.found.difference)


def test_pictures_flip_where_most_runs_of_one_side_are_right_and_most_of_the_other_wrong(
    tmp_path: Path,
) -> None:
    (group,) = results_of(tmp_path, LARGE).groups
    scratch = next(one for one in group.sides if one.effect.level == "scratch")
    with_level = np.mean([group.right[c] for c in group.right if c[0] == "scratch"], axis=(0, 1))
    with_base = np.mean([group.right[c] for c in group.right if c[0] == "full"], axis=(0, 1))
    assert scratch.n_flips == np.sum((with_level - 0.5) * (with_base - 0.5) < 0)
    assert 0 < len(scratch.flips) <= scratch.n_flips
    gaps = [abs(flip.share - flip.baseline_share) for flip in scratch.flips]
    assert gaps == sorted(gaps, reverse=True)
    for flip in scratch.flips:
        assert flip.label in flip.picture
        assert {flip.label, flip.wrong} == {"bees", "ants"}


def test_an_effect_over_an_incomplete_grid_has_no_sides(tmp_path: Path) -> None:
    made = Study(
        ARMS, by_transfer, seeds=(0, 1, 2), lost=lambda cell, seed: "l2" in cell.values() and seed
    )
    (group,) = results_of(tmp_path, made).groups
    assert len(group.sides) < 3
