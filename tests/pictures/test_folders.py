"""Splits and classes are found in folders; a folder that can't be understood is refused."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from ablation.pictures import data
from ablation.pictures.errors import DataError
from tests.cases.folders import FOLDERS, FolderCase, of_folder
from tests.pictures.made_up import (
    MakeFolder,
    class_only_in_val,
    folder_config,
    truncated,
    unreadable,
)


def test_train_and_val_folders_are_taken_as_they_are(make_folder: MakeFolder) -> None:
    pictures = data.load(folder_config(make_folder({"train": 4, "val": 3})))
    assert pictures.classes == ("blue", "red")
    assert len(pictures.train) == 8
    assert len(pictures.val) == 6
    assert pictures.test is None
    assert pictures.val.labels.tolist() == [0, 0, 0, 1, 1, 1]


def test_what_is_no_picture_is_passed_over_and_counted(make_folder: MakeFolder) -> None:
    root = make_folder({"train": 4, "val": 3})
    Image.new("RGB", (9, 9)).save(root / "train" / "red" / "placeholder.gif")
    (root / "train" / "red" / "notes.txt").write_text("red")
    (root / "train" / "red" / "._001.png").write_bytes(b"resource fork")
    (root / "train" / "red" / "Thumbs.db").write_bytes(b"of another system")
    (root / "train" / ".cache").mkdir()
    pictures = data.load(folder_config(root))
    assert len(pictures.train) == 8
    assert pictures.notes == (
        "not read: 1 .txt, 1 .gif (such as train/red/notes.txt); "
        "data.extra_formats=[.gif] reads .gif",
    )


def test_a_test_folder_is_held_back_as_it_is(make_folder: MakeFolder) -> None:
    pictures = data.load(folder_config(make_folder({"train": 4, "val": 3, "test": 2})))
    assert pictures.test is not None
    assert len(pictures.test) == 4


def missing(root: Path) -> None:
    shutil.rmtree(root)


def empty_class(root: Path) -> None:
    shutil.rmtree(root / "train" / "red")
    (root / "train" / "red").mkdir()


def no_classes(root: Path) -> None:
    shutil.rmtree(root / "train")
    (root / "train").mkdir()


BAD_FOLDERS = {
    missing: ["there is no such folder"],
    empty_class: ["red", "no pictures"],
    no_classes: ["train", "two or more classes"],
    class_only_in_val: ["green", "val", "train"],
    unreadable: ["train/red/broken.jpg", "not a picture"],
    truncated: ["val/blue/000.png"],
}


@pytest.mark.parametrize("spoil", BAD_FOLDERS)
def test_a_folder_that_cannot_be_used_gets_a_message_that_names_the_place(
    spoil: Callable[[Path], None], make_folder: MakeFolder
) -> None:
    root = make_folder({"train": 3, "val": 2})
    spoil(root)
    with pytest.raises(DataError) as raised:
        data.load(folder_config(root))
    for part in BAD_FOLDERS[spoil]:
        assert part in str(raised.value)


@pytest.mark.parametrize("case", FOLDERS, ids=lambda case: case.name)
def test_a_folder_is_understood_or_refused(case: FolderCase, tmp_path: Path) -> None:
    config = of_folder(case, tmp_path / "pictures")
    if case.is_refused:
        with pytest.raises(DataError) as raised:
            data.load(config)
        assert case.said in str(raised.value)
    else:
        assert case.said in "\n".join(data.load(config).lines())
