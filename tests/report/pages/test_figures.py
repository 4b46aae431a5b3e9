"""Which figures a report has, and what is written below them."""

from pathlib import Path

from ablation.report.pages import figures
from tests.report.made_up import Study
from tests.report.reading import ARMS, LARGE, by_transfer, results_of


def captions(folder: Path, made: Study) -> dict[str, str]:
    """Each figure's caption by its name, without drawing it."""
    results = results_of(folder, made)
    return {planned.name: planned.caption for planned in figures.plan(results, results.groups[0])}


def test_a_study_has_a_figure_for_each_question(tmp_path: Path) -> None:
    found = captions(tmp_path, LARGE)
    assert list(found) == [
        "cells", "matrix", "heat-transfer-reg", "heat-transfer-optimizer", "heat-reg-optimizer",
        "estimation", "effects", "interactions", "pairs", "curves", "time",
    ]  # fmt: skip
    assert "the verdict on its difference from the cell at the line" in found["cells"]
    assert "mean over 2 combinations" in found["heat-transfer-optimizer"]
    assert "† learning rate fixed, not tuned." in found["effects"]
    assert "the band goes from the lowest to the highest seed" in found["curves"]
    assert "95 % intervals" in found["time"]


def test_one_seed_has_curves_without_a_band(tmp_path: Path) -> None:
    assert "band" not in captions(tmp_path, Study(ARMS, by_transfer))["curves"]


def test_one_cell_alone_has_only_its_curves(tmp_path: Path) -> None:
    assert list(captions(tmp_path, Study({}, lambda _: 0.9))) == ["curves"]


def test_a_figure_that_does_not_show_all_cells_says_so(tmp_path: Path) -> None:
    axes = {**ARMS, "epochs": ["2", "3", "4"]}
    found = captions(tmp_path, Study(axes, by_transfer))
    assert found["curves"].endswith("The 12 best of 18 cells.")
    assert "best of" not in found["cells"]


def test_without_histories_there_are_no_curves(tmp_path: Path) -> None:
    assert "curves" not in captions(tmp_path, Study(ARMS, by_transfer, files=False))
