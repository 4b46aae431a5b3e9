"""Made-up cells for tests of claims."""

from itertools import product

import numpy as np

from ablation.report.claims.claim import Comparison

GRID = {
    "transfer": ("scratch", "frozen", "full"),
    "reg": ("l1", "l2"),
    "optimizer": ("adam", "sgd"),
}


def study(accuracy=lambda *levels: 0.85, grid=GRID, seeds=5, pictures=153, rng=0, picture=0.15):
    """Made-up cells, whose pictures are partly hard for all, and their seeds."""
    rng = np.random.default_rng(rng)
    hard = rng.normal(0, picture, pictures)
    keys = list(product(*grid.values()))
    cells = {key: rng.random((seeds, pictures)) < accuracy(*key) + hard for key in keys}
    return cells, list(grid), {key: list(range(seeds)) for key in keys}


def all_claims(found: Comparison):
    return (*found.contrasts, *found.effects, *found.interactions)


def frozen_is_better(transfer, reg, optimizer):
    return {"scratch": 0.6, "frozen": 0.9, "full": 0.75}[transfer]


def one_seed(only_a: int, only_b: int, both: int, n_pictures: int = 153):
    """Two cells of one run each, by how many pictures either one alone gets right."""
    a, b = np.zeros((2, 1, n_pictures), dtype=bool)
    a[0, :only_a] = True
    b[0, only_a : only_a + only_b] = True
    a[0, n_pictures - both :] = b[0, n_pictures - both :] = True
    return a, b
