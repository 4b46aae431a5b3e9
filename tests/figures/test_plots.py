"""The plots of a run are drawn whatever its classes are called."""

import io

import pandas as pd
import pytest
from PIL import Image

from ablation.figures import plots


@pytest.mark.parametrize("n", [2, 3, 31, 120])
def test_a_confusion_matrix_is_drawn_whatever_the_classes_are_called(n: int) -> None:
    classes = [f"${index}_^ is no formula, and {'long ' * 9}" for index in range(n)]
    predictions = pd.DataFrame({"label": classes, "predicted": [classes[0]] * n})
    drawn = io.BytesIO()
    plots.confusion(predictions, classes).savefig(drawn)
    width, height = Image.open(drawn).size
    assert max(width, height) < 1200
