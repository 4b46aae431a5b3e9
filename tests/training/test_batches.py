"""An epoch is cut into batches that BatchNorm can be trained on."""

import numpy as np
import pytest

from ablation.training.batches import consecutive


@pytest.mark.parametrize(
    ("n", "size", "wanted"),
    [(10, 4, [4, 4, 2]), (9, 4, [4, 5]), (8, 4, [4, 4]), (3, 8, [3]), (1, 8, [1]), (3, 1, [1] * 3)],
)
def test_batches_are_full_but_the_last_which_is_never_a_single_picture(
    n: int, size: int, wanted: list[int]
) -> None:
    assert [len(batch) for batch in consecutive(np.arange(n), size)] == wanted
