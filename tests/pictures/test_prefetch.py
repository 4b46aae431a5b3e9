"""Batches are made ahead, in order."""

from functools import partial

import pytest
import torch

from ablation.pictures.prefetch import Prefetcher


@pytest.mark.parametrize("n_threads", [0, 1, 3])
def test_results_come_in_the_order_of_the_tasks(n_threads: int) -> None:
    prefetch = Prefetcher(n_threads)
    tasks = [partial(torch.full, (2,), float(index)) for index in range(20)]
    for _ in range(2):
        assert [int(made[0]) for made in prefetch(tasks)] == list(range(20))
