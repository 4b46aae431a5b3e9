"""How runs form cells, and at which searched value a cell is shown."""

from pathlib import Path

import numpy as np
import pandas as pd

from ablation.report.evidence import cells
from tests.report.made_up import Study
from tests.report.reading import results_of

TRANSFER = {"transfer": ["full", "frozen"]}


def test_each_cell_is_shown_at_its_own_best_searched_value(tmp_path: Path) -> None:
    best = {"full": "0.0001", "frozen": "0.01"}
    made = Study(
        {**TRANSFER, "optimizer.lr": ["1e-4", "1e-3", "1e-2"]},
        lambda cell: 0.9 if float(cell["optimizer.lr"]) == float(best[cell["transfer"]]) else 0.8,
        seeds=(0, 1),
    )
    found = results_of(tmp_path, made, nuisance=["optimizer.lr"])
    assert found.runs.factors == {"transfer": ("full", "frozen")}
    assert {cell.levels[0]: cell.chosen["optimizer.lr"] for cell in found.cells} == best
    assert all(len(cell.tried) == 3 and len(cell.seeds) == 2 for cell in found.cells)
    # Both lie at an end of the searched range, and the report has to warn of it.
    assert all(cell.at_edge == ("optimizer.lr",) for cell in found.cells)


def test_a_searched_value_that_lost_a_seed_cannot_win(tmp_path: Path) -> None:
    made = Study(
        {"optimizer.lr": ["1e-3", "1e-2"]},
        lambda cell: 0.95 if cell["optimizer.lr"] == "1e-2" else 0.8,
        seeds=(0, 1, 2),
        lost=lambda cell, seed: cell["optimizer.lr"] == "1e-2" and seed == 2,
    )
    (cell,) = results_of(tmp_path, made, nuisance=["optimizer.lr"]).cells
    assert cell.chosen == {"optimizer.lr": "0.001"}


def test_seeds_come_in_order_and_the_newest_of_one_seed_counts() -> None:
    seeds = pd.Series([2, 0, 2, 1])
    assert cells.newest_of_each_seed(np.arange(4), seeds).tolist() == [1, 3, 2]
