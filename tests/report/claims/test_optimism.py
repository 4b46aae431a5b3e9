"""The optimism of the best epoch."""

from pathlib import Path

import numpy as np
import pytest

from tests.report.reading import LARGE, results_of


def test_the_optimism_of_the_best_epoch_has_an_interval(tmp_path: Path) -> None:
    results = results_of(tmp_path, LARGE)
    optimism = results.groups[0].optimism
    assert optimism is not None
    assert optimism.n_pictures == 80
    cells = results.cells
    gap = np.mean([cell.mean for cell in cells]) - np.mean([cell.test.mean() for cell in cells])
    assert optimism.gap == pytest.approx(gap)
    assert optimism.low < optimism.gap < optimism.high
