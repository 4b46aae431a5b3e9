"""How optimistic the accuracy at the best epoch is."""

from pathlib import Path

from tests.report.made_up import Study
from tests.report.reading import section, write


def test_pictures_held_back_are_told_beside_the_best_epoch(tmp_path: Path) -> None:
    made = Study({"reg": ["l1", "l2"]}, lambda _: 0.9, seeds=(0, 1), n_test=60)
    _, text = write(tmp_path, made)
    told = section(text, "Selection of the epoch")
    assert "60 pictures that were held back and evaluated once" in told
    assert "The validation accuracy may or may not be optimistic: " in told
    made = Study({"reg": ["l1"]}, lambda _: 0.9, seeds=range(5), n_test=300, optimism=0.3)
    _, text = write(tmp_path / "other", made)
    assert "The validation accuracy is optimistic by" in section(text, "Selection of the epoch")


def test_without_pictures_held_back_best_and_last_epoch_stand_side_by_side(tmp_path: Path) -> None:
    _, text = write(tmp_path, Study({"reg": ["l1", "l2"]}, lambda _: 0.9))
    told = section(text, "Selection of the epoch")
    assert "so its accuracy is optimistic" in told
    assert "| cell | best epoch, % | last epoch, % |" in told
