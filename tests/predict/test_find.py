"""Files that are named are read, folders are searched, and what is missing is said."""

import os
from pathlib import Path

from ablation.pictures.files import FORMATS
from ablation.predict.find import find_pictures
from tests.conftest import paint


def test_a_file_that_is_named_is_read_whatever_its_suffix(tmp_path: Path) -> None:
    paint(tmp_path / "deep" / "a.png", (9, 9, 9), 0, (8, 8))
    (tmp_path / "deep" / "b.gif").write_bytes(b"anything")
    (tmp_path / "deep" / "c.txt").write_text("anything")
    gif = tmp_path / "deep" / "b.gif"
    asked = find_pictures([gif, tmp_path], FORMATS)
    assert asked.paths == [gif, tmp_path / "deep" / "a.png"]
    assert asked.missing == []
    assert asked.notes == [
        f"{tmp_path}: not read: 1 .gif, 1 .txt (such as deep/b.gif); name a file to have it read"
    ]


def test_each_path_without_a_picture_is_told_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("anything")
    odd = Path(os.fsdecode(b"caf\xe9.png"))
    asked = find_pictures(
        [tmp_path / "empty", tmp_path / "texts", tmp_path / "none.png", odd], frozenset({".png"})
    )
    assert asked.paths == []
    assert asked.missing == [
        f"{tmp_path / 'empty'}: no pictures in this folder; the name of a picture ends in .png",
        f"{tmp_path / 'texts'}: no pictures in this folder; not read: 1 .txt (such as a.txt)",
        f"{tmp_path / 'none.png'}: there is no such file",
        r"caf\xe9.png: its name is not UTF-8; rename it",
    ]
