"""The plots of a run are drawn whatever its classes are called."""

import numpy as np
import pandas as pd
import pytest

from ablation.figures import plots
from ablation.figures.panel import Panel, around, ticks


@pytest.mark.parametrize("n", [2, 3, 31, 120])
def test_a_confusion_matrix_is_drawn_whatever_the_classes_are_called(n: int) -> None:
    classes = [f"${index}_^ is no formula, and {'long ' * 9}" for index in range(n)]
    predictions = pd.DataFrame({"label": classes, "predicted": [classes[0]] * n})
    drawn = plots.confusion(predictions, classes)
    assert max(drawn.size) < 1200


@pytest.mark.parametrize("n", [1, 5, 60])
def test_learning_curves_show_each_epoch_where_its_value_is(n: int) -> None:
    epochs = range(1, n + 1)
    rising = [epoch / n for epoch in epochs]
    history = pd.DataFrame({
        "epoch": epochs, "lr": [1e-3] * n, "train/accuracy": rising, "val/accuracy": [0.5] * n,
        "train/loss": rising, "val/loss": [0.5] * n,
    })  # fmt: skip
    pixels = np.asarray(plots.curves(history, best_epoch=n)).astype(int)
    orange = np.abs(pixels[:, :380] - (0xD5, 0x5E, 0x00)).sum(2) < 60
    rows, columns = np.nonzero(orange[: plots.HEIGHT - 40])
    if n > 1:
        # It rises from the lower left to the upper right.
        assert np.corrcoef(rows, columns)[0, 1] < -0.99


def test_ticks_are_round_numbers_inside_the_span() -> None:
    assert ticks((0.9, 5.2), 6, are_whole=True) == [1, 2, 3, 4, 5]
    assert ticks((0.95, 1.05), 6, are_whole=True) == [1]
    assert ticks(around([0.001], from_zero=True), 5) == pytest.approx(
        [0, 2.5e-4, 5e-4, 7.5e-4, 1e-3]
    )


def test_a_point_lies_between_the_ends_of_its_panel() -> None:
    panel = Panel((10, 20, 110, 220), (0, 10), (-1, 1))
    assert panel.at(0, -1) == (10, 220)
    assert panel.at(10, 1) == (110, 20)
    assert panel.at(5, 0) == (60, 120)


@pytest.mark.parametrize("values", [[-1.0, -0.5], [-0.25, 0.5], [0.0, 0.0], [0.5, 2.0]])
def test_a_span_from_zero_has_all_values_inside(values: list[float]) -> None:
    low, high = around(values, from_zero=True)
    assert low <= min(values) <= max(values) < high
