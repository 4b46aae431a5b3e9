"""Cells are ranked and compared within the pictures that they were evaluated on."""

from collections.abc import Mapping
from pathlib import Path

from tests.report.made_up import Study
from tests.report.reading import ARMS, by_transfer, results_of


def test_cells_are_ranked_by_their_mean_and_not_by_their_best_seed(tmp_path: Path) -> None:
    def lucky(cell: Mapping[str, str], seed: int) -> Mapping[str, float]:
        reached = (0.99, 0.5, 0.5) if cell["reg"] == "l1" else (0.8, 0.8, 0.8)
        return {"best_val_accuracy": reached[seed]}

    made = Study({"reg": ["l1", "l2"]}, lambda _: 0.8, seeds=(0, 1, 2), metrics=lucky, files=False)
    results = results_of(tmp_path, made)
    assert [cell.levels for cell in results.groups[0].ranked] == [("l2",), ("l1",)]


def test_the_baseline_is_the_level_that_was_asked_for_first_also_where_its_cells_are_missing(
    tmp_path: Path,
) -> None:
    made = Study(ARMS, by_transfer, lost=lambda cell, _: cell == {"transfer": "full", "reg": "l1"})
    comparison = results_of(tmp_path, made).groups[0].comparison
    assert comparison is not None
    assert comparison.baseline == {"transfer": "full", "reg": "l1"}


def test_cells_of_other_pictures_are_compared_apart(tmp_path: Path) -> None:
    axes = {"data": ["digits", "hymenoptera"], "transfer": ["full", "frozen"]}
    made = Study(axes, lambda _: 0.9, seeds=(0, 1))
    found = results_of(tmp_path, made)
    assert [group.name for group in found.groups] == ["data digits", "data hymenoptera"]
    for group in found.groups:
        assert group.comparison is not None
        assert len(group.comparison.effects) == 1
