"""The tables of pictures that flip."""

from pathlib import Path

from tests.report.made_up import Study
from tests.report.reading import ARMS, LARGE, by_transfer, section, write


def test_pictures_that_flip_are_listed_for_each_effect(tmp_path: Path) -> None:
    _, text = write(tmp_path, LARGE)
    told = section(text, "Pictures that flip")
    assert "transfer: scratch − full" in told
    assert ".jpg" in told


def test_one_seed_has_no_such_section(tmp_path: Path) -> None:
    _, text = write(tmp_path, Study(ARMS, by_transfer))
    assert "Pictures that flip" not in text
