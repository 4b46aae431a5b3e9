"""Which files of a folder are pictures; files that can't be read are named."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ablation.pictures import data
from ablation.pictures.errors import DataError
from tests.conftest import paint
from tests.pictures.made_up import MakeFolder, folder_config


def test_links_are_followed_and_a_circle_of_them_ends(
    make_folder: MakeFolder, tmp_path: Path
) -> None:
    root = make_folder({"train": 3, "val": 2})
    elsewhere = tmp_path / "elsewhere"
    paint(elsewhere / "more.png", (200, 40, 40), 7, (40, 40))
    (root / "train" / "red" / "linked").symlink_to(elsewhere)
    (elsewhere / "back").symlink_to(root / "train" / "red")
    (root / "val" / "red").rename(tmp_path / "moved")
    (root / "val" / "red").symlink_to(tmp_path / "moved")
    pictures = data.load(folder_config(root))
    assert "train/red/linked/more.png" in pictures.train.names
    assert len(pictures.train) == 7
    assert len(pictures.val) == 4


def broken_link(root: Path) -> None:
    (root / "train" / "red" / "lost.png").symlink_to(root / "nowhere.png")


def no_text(root: Path) -> None:
    name = os.fsencode(root / "train" / "red") + b"/caf\xe9.png"
    Path(os.fsdecode(name)).write_bytes((root / "train" / "red" / "000.png").read_bytes())


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (broken_link, "train/red/lost.png: No such file or directory"),
        (no_text, r"the name caf\xe9.png in it is not UTF-8; rename it"),
    ],
)
def test_a_file_that_cannot_be_had_is_named(
    spoil: Callable[[Path], None], words: str, make_folder: MakeFolder
) -> None:
    root = make_folder({"train": 3, "val": 2})
    spoil(root)
    with pytest.raises(DataError) as raised:
        data.load(folder_config(root))
    assert words in str(raised.value)


def test_a_pipe_is_not_waited_for(make_folder: MakeFolder) -> None:
    root = make_folder({"train": 3, "val": 2})
    os.mkfifo(root / "train" / "red" / "pipe.png")
    assert data.load(folder_config(root)).notes == (
        "not read: 1 .png (such as train/red/pipe.png)",
    )


def test_a_folder_that_may_not_be_read_is_named(
    make_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_folder({"train": 3, "val": 2})
    scandir = os.scandir

    def refuse(folder: Path) -> Any:
        if Path(folder).name == "red":
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DataError, match=r"red: this folder can't be read \(Permission denied\)"):
        data.load(folder_config(root))


def test_links_are_followed_and_those_to_nothing_are_named(make_folder: MakeFolder) -> None:
    root = make_folder({"train": 3, "val": 2})
    red = root / "train" / "red"
    os.mkfifo(root / "pipe")
    (red / "waits.png").symlink_to(root / "pipe")
    assert data.load(folder_config(root)).notes == (
        "not read: 1 .png (such as train/red/waits.png)",
    )
    (red / "itself.png").symlink_to("itself.png")
    (red / "lost.png").symlink_to("nowhere.png")
    data._described.cache_clear()
    with pytest.raises(DataError, match="2 pictures can't be read") as raised:
        data.load(folder_config(root))
    assert "train/red/itself.png: Too many levels" in str(raised.value)
    assert "train/red/lost.png: No such file" in str(raised.value)
