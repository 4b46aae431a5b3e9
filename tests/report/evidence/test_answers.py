"""What each run answered, and what remains where that cannot be read."""

import shutil
from pathlib import Path

import numpy as np

from ablation.config import ReportConfig
from ablation.report.claims.results import gather
from ablation.report.evidence.store import Stored
from ablation.tracking.store import connect
from ablation.training import predictions
from tests.report.made_up import Study, store
from tests.report.reading import results_of

TRANSFER = {"transfer": ["full", "frozen"]}


def test_predictions_are_read_for_every_run_and_give_the_logged_accuracy(tmp_path: Path) -> None:
    found = results_of(tmp_path, Study(TRANSFER, lambda _: 0.9, seeds=(0, 1, 2)))
    (group,) = found.groups
    for cell in found.cells:
        right = group.right[cell.levels]
        assert right.shape == (3, 153)
        np.testing.assert_allclose(right.mean(axis=1), cell.best)


def test_without_its_artifacts_a_study_keeps_its_means_and_loses_its_intervals(
    tmp_path: Path,
) -> None:
    made = Study(TRANSFER, lambda _: 0.9)
    uri = store(tmp_path, made)
    shutil.rmtree(tmp_path / "artifacts")
    found = gather(Stored(connect(uri), made.name), ReportConfig())
    assert [round(cell.mean, 1) for cell in found.cells] == [0.9, 0.9]
    (group,) = found.groups
    assert group.comparison is None
    assert not group.intervals
    assert len(found.unreadable) == 2


def test_pictures_of_one_name_in_two_classes_are_two_pictures() -> None:
    names, order = predictions.in_order(("1.jpg", "1.jpg", "2.jpg"), ("b", "a", "a"))
    assert names == ("a/1.jpg", "b/1.jpg", "a/2.jpg")
    assert order.tolist() == [1, 0, 2]
