"""The filters of a first convolution are drawn whatever their shape."""

import numpy as np
import pytest

from ablation.figures.filters import filter_sheet


def test_filters_that_did_not_change_are_shown_without_a_difference() -> None:
    weights = np.random.default_rng(0).normal(0, 0.1, (32, 3, 3, 3)).astype(np.float32)
    same = filter_sheet(weights, weights.copy())
    changed = filter_sheet(weights, weights + np.float32(0.01))
    assert changed.width == pytest.approx(1.5 * same.width)


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (7, 1, 5, 5), (96, 3, 7, 7), (768, 3, 16, 16)])
def test_filters_of_any_shape_are_drawn(shape: tuple[int, ...]) -> None:
    weights = np.zeros(shape, np.float32)
    assert filter_sheet(weights, weights).height < 700
    assert filter_sheet(weights, weights + 1).width < 2000
