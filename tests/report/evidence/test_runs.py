"""Which runs a report reads, what it takes them to compare, and how cells are formed."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ablation.config import ReportConfig
from ablation.report.claims.results import Results, gather
from ablation.report.evidence import cells, runs
from ablation.report.evidence.store import Stored
from ablation.tracking import store as tracking
from ablation.training import predictions
from tests.report.made_up import Study, store

TRANSFER = {"transfer": ["full", "frozen"]}


def results(folder: Path, *made: Study, **config: object) -> Results:
    uri = store(folder, *made)
    evidence = Stored(tracking.connect(uri), made[0].name)
    return gather(evidence, ReportConfig(**config))  # type: ignore[arg-type]


def test_what_the_command_swept_is_compared_and_the_seed_makes_replicates(tmp_path: Path) -> None:
    found = results(tmp_path, Study({**TRANSFER, "reg": ["l1", "l2"]}, lambda _: 0.9, seeds=(3, 7)))
    assert found.runs.factors == {"transfer": ("full", "frozen"), "reg": ("l1", "l2")}
    assert [cell.levels for cell in found.cells] == [
        ("full", "l1"), ("full", "l2"), ("frozen", "l1"), ("frozen", "l2"),
    ]  # fmt: skip
    assert {cell.seeds for cell in found.cells} == {(3, 7)}
    assert found.runs.is_complete


def test_runs_of_other_epochs_in_one_study_are_shown_apart_and_never_averaged(
    tmp_path: Path,
) -> None:
    short = Study(TRANSFER, lambda _: 0.7, epochs=2)
    long = Study(TRANSFER, lambda _: 0.9, epochs=9, later=9_999)
    found = results(tmp_path, short, long)
    assert found.runs.factors == {"transfer": ("full", "frozen"), "epochs": ("2", "9")}
    assert [round(cell.mean, 1) for cell in found.cells] == [0.7, 0.9, 0.7, 0.9]


def test_a_key_that_follows_from_a_level_is_no_factor_of_its_own(tmp_path: Path) -> None:
    # adam and sgd differ in optimizer.name and optimizer.lr too.
    found = results(tmp_path, Study({"optimizer": ["adam", "sgd"]}, lambda _: 0.9))
    assert list(found.runs.factors) == ["optimizer"]


def test_runs_without_a_recorded_grid_are_compared_by_what_differs(tmp_path: Path) -> None:
    found = results(tmp_path, Study(TRANSFER, lambda _: 0.9, planned=False))
    assert found.runs.factors == {"transfer": ("full", "frozen")}
    assert not found.runs.ledger.planned


def test_of_duplicates_the_newest_run_counts(tmp_path: Path) -> None:
    found = results(
        tmp_path,
        Study(TRANSFER, lambda _: 100, seed_noise=0),
        Study(TRANSFER, lambda _: 120, seed_noise=0, later=9_999),
    )
    assert [cell.best.tolist() for cell in found.cells] == [[120 / 153], [120 / 153]]
    assert all(len(newest_first) == 2 for newest_first in found.runs.ledger.finished.values())


def test_each_cell_is_shown_at_its_own_best_searched_value(tmp_path: Path) -> None:
    best = {"full": "0.0001", "frozen": "0.01"}
    made = Study(
        {**TRANSFER, "optimizer.lr": ["1e-4", "1e-3", "1e-2"]},
        lambda cell: 0.9 if float(cell["optimizer.lr"]) == float(best[cell["transfer"]]) else 0.8,
        seeds=(0, 1),
    )
    found = results(tmp_path, made, nuisance=["optimizer.lr"])
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
    (cell,) = results(tmp_path, made, nuisance=["optimizer.lr"]).cells
    assert cell.chosen == {"optimizer.lr": "0.001"}


def test_predictions_are_read_for_every_run_and_give_the_logged_accuracy(tmp_path: Path) -> None:
    found = results(tmp_path, Study(TRANSFER, lambda _: 0.9, seeds=(0, 1, 2)))
    (group,) = found.groups
    for cell in found.cells:
        right = group.right[cell.levels]
        assert right.shape == (3, 153)
        np.testing.assert_allclose(right.mean(axis=1), cell.best)


def test_pictures_of_one_name_in_two_classes_are_two_pictures() -> None:
    names, order = predictions.in_order(("1.jpg", "1.jpg", "2.jpg"), ("b", "a", "a"))
    assert names == ("a/1.jpg", "b/1.jpg", "a/2.jpg")
    assert order.tolist() == [1, 0, 2]


def test_without_its_artifacts_a_study_keeps_its_means_and_loses_its_intervals(
    tmp_path: Path,
) -> None:
    made = Study(TRANSFER, lambda _: 0.9)
    uri = store(tmp_path, made)
    shutil.rmtree(tmp_path / "artifacts")
    found = gather(Stored(tracking.connect(uri), made.name), ReportConfig())
    assert [round(cell.mean, 1) for cell in found.cells] == [0.9, 0.9]
    (group,) = found.groups
    assert group.comparison is None
    assert not group.intervals
    assert len(found.unreadable) == 2


def test_cells_of_other_pictures_are_compared_apart(tmp_path: Path) -> None:
    made = Study({"data": ["digits", "hymenoptera"], **TRANSFER}, lambda _: 0.9)
    found = results(tmp_path, made)
    assert [group.name for group in found.groups] == ["data digits", "data hymenoptera"]
    for group in found.groups:
        assert group.comparison is not None
        assert len(group.comparison.effects) == 1


def test_seeds_come_in_order_and_the_newest_of_one_seed_counts() -> None:
    seeds = pd.Series([2, 0, 2, 1])
    assert cells.newest_of_each_seed(np.arange(4), seeds).tolist() == [1, 3, 2]


@pytest.mark.parametrize(
    ("value", "text"),
    [("1e-3", "0.001"), ("0.001", "0.001"), ("16", "16"), ("None", "null"), ("True", "true"),
     ("full", "full"), ("1e-05", "1e-05")],
)  # fmt: skip
def test_a_value_has_one_spelling(value: str, text: str) -> None:
    assert runs.shown(value) == text
