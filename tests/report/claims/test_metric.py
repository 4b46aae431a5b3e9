"""What is compared: accuracies, balanced accuracies, losses."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from ablation.config import REPORT_METRICS
from ablation.errors import ConfigError
from ablation.report.claims.metric import ACCURACY, METRICS
from tests.report.made_up import Study
from tests.report.reading import ARMS, by_transfer, results_of, section, write

THREE = Study(ARMS, by_transfer, seeds=(0, 1, 2))


def test_amounts_have_their_units() -> None:
    assert ACCURACY.amount(0.01) == "1 point"
    assert ACCURACY.amount(0.025) == "2.5 points"
    assert METRICS["log_loss"].amount(0.01) == "0.01"


def test_classes_of_one_size_are_compared_by_accuracy(tmp_path: Path) -> None:
    results = results_of(tmp_path, THREE)
    assert results.metric == ACCURACY
    assert all(table.dtype == bool for table in results.groups[0].scores.values())


def nine_to_one(cell: Mapping[str, str]) -> float:
    return {"l1": 0.9, "l2": 0.92}[cell["reg"]]


UNEQUAL = Study({"reg": ["l1", "l2"]}, nine_to_one, seeds=(0, 1, 2), class_sizes=(9, 1))


def test_classes_of_nine_to_one_are_led_by_balanced_accuracy_which_is_said_first(
    tmp_path: Path,
) -> None:
    _, text = write(tmp_path, UNEQUAL)
    first = next(line for line in section(text, "What was compared").splitlines() if line.strip())
    assert "The classes differ in size (138 pictures of bees, 15 of ants)" in first
    assert "so balanced accuracy leads" in first
    assert "balanced accuracy, %" in section(text, "Ranking")
    assert "Recall of each class, %" in section(text, "Scores and cost")


def test_balanced_accuracy_is_the_mean_of_the_recalls(tmp_path: Path) -> None:
    results = results_of(tmp_path, UNEQUAL)
    for cell in results.cells:
        recalls = [results.scores[run].balanced_accuracy for run in cell.run_ids]
        assert cell.reached == pytest.approx(recalls, rel=1e-6)
        found = results.groups[0].intervals[cell.levels]
        assert found.mean == pytest.approx(np.mean(recalls), rel=1e-6)
        assert 0 <= found.low < found.mean < found.high <= 1


def test_accuracy_can_be_asked_for(tmp_path: Path) -> None:
    _, text = write(tmp_path, UNEQUAL, metric="accuracy")
    assert "may be that of the largest class alone" in text
    assert "| accuracy, % |" in section(text, "Ranking")


def test_a_lower_loss_is_better(tmp_path: Path) -> None:
    results = results_of(tmp_path / "a", THREE, metric="log_loss")
    (group,) = results.groups
    means = [cell.mean for cell in group.ranked]
    assert means == sorted(means)
    _, text = write(tmp_path / "b", THREE, metric="log_loss", difference=0.05)
    answers = section(text, "Answers")
    assert "beats scratch: its log loss is" in answers
    assert "scratch beats" not in answers
    assert "log loss" in section(text, "Ranking")
    assert "points" not in section(text, "Effects")


def test_runs_without_probabilities_have_no_losses(tmp_path: Path) -> None:
    old = Study({"reg": ["l1", "l2"]}, lambda _: 0.9, seeds=(0, 1), is_old=True)
    with pytest.raises(ConfigError, match=r"report\.metric=brier: runs of the cell"):
        results_of(tmp_path, old, metric="brier")


def test_the_config_names_the_metrics_that_there_are() -> None:
    assert tuple(METRICS) == REPORT_METRICS
