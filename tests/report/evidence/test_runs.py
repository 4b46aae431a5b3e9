"""Which runs count, and what they compare."""

from pathlib import Path

import pytest

from ablation.report.evidence import runs
from tests.report.made_up import Study
from tests.report.reading import results_of

TRANSFER = {"transfer": ["full", "frozen"]}


def test_what_the_command_swept_is_compared_and_the_seed_makes_replicates(tmp_path: Path) -> None:
    found = results_of(
        tmp_path, Study({**TRANSFER, "reg": ["l1", "l2"]}, lambda _: 0.9, seeds=(3, 7))
    )
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
    found = results_of(tmp_path, short, long)
    assert found.runs.factors == {"transfer": ("full", "frozen"), "epochs": ("2", "9")}
    assert [round(cell.mean, 1) for cell in found.cells] == [0.7, 0.9, 0.7, 0.9]


def test_a_key_that_follows_from_a_level_is_no_factor_of_its_own(tmp_path: Path) -> None:
    # adam and sgd differ in optimizer.name and optimizer.lr too.
    found = results_of(tmp_path, Study({"optimizer": ["adam", "sgd"]}, lambda _: 0.9))
    assert list(found.runs.factors) == ["optimizer"]


def test_runs_without_a_recorded_grid_are_compared_by_what_differs(tmp_path: Path) -> None:
    found = results_of(tmp_path, Study(TRANSFER, lambda _: 0.9, planned=False))
    assert found.runs.factors == {"transfer": ("full", "frozen")}
    assert not found.runs.ledger.planned


def test_of_duplicates_the_newest_run_counts(tmp_path: Path) -> None:
    found = results_of(
        tmp_path,
        Study(TRANSFER, lambda _: 100, seed_noise=0),
        Study(TRANSFER, lambda _: 120, seed_noise=0, later=9_999),
    )
    assert [cell.best.tolist() for cell in found.cells] == [[120 / 153], [120 / 153]]
    assert all(len(newest_first) == 2 for newest_first in found.runs.ledger.finished.values())


@pytest.mark.parametrize(
    ("value", "text"),
    [("1e-3", "0.001"), ("0.001", "0.001"), ("16", "16"), ("None", "null"), ("True", "true"),
     ("full", "full"), ("1e-05", "1e-05")],
)  # fmt: skip
def test_a_value_has_one_spelling(value: str, text: str) -> None:
    assert runs.shown(value) == text
