"""Pictures: what is found, how it is divided, and what is said of folders that can't be used."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ablation.config import DataConfig
from ablation.pictures import data
from ablation.pictures.data import DataError
from tests.conftest import command, paint

MakeFolder = Callable[..., Path]


def folder_config(root: Path, **changes: object) -> DataConfig:
    return DataConfig(source="folder", root=str(root), **changes)  # type: ignore[arg-type]


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


def test_one_folder_is_divided_stratified_and_the_same_for_every_run(
    make_folder: MakeFolder,
) -> None:
    root = make_folder({"": 10})
    pictures = data.load(folder_config(root, val_fraction=0.3, test_fraction=0.2))
    assert pictures.test is not None
    assert np.bincount(pictures.test.labels).tolist() == [2, 2]
    assert len(pictures.train) + len(pictures.val) == 16
    again = data.load(folder_config(root, val_fraction=0.3, test_fraction=0.2, size=64))
    assert again.digest == pictures.digest
    other = data.load(folder_config(root, val_fraction=0.3, test_fraction=0.2, split_seed=1))
    assert other.digest != pictures.digest


def test_no_picture_is_in_two_splits(make_folder: MakeFolder) -> None:
    pictures = data.load(folder_config(make_folder({"": 10}), test_fraction=0.2))
    assert pictures.test is not None
    names = [*pictures.train.names, *pictures.val.names, *pictures.test.names]
    assert len(set(names)) == len(names) == 20


def test_a_test_folder_is_held_back_as_it_is(make_folder: MakeFolder) -> None:
    pictures = data.load(folder_config(make_folder({"train": 4, "val": 3, "test": 2})))
    assert pictures.test is not None
    assert len(pictures.test) == 4


def test_pictures_are_upright_rgb_whatever_they_were(make_folder: MakeFolder) -> None:
    root = make_folder({"train": 4, "val": 3})
    red = root / "train" / "red"
    turned = Image.Exif()
    turned[0x0112] = 6  # the camera was held on its side
    Image.new("RGB", (30, 20), (255, 0, 0)).save(red / "a.jpg", exif=turned)
    Image.new("L", (30, 20)).save(red / "b.png")
    Image.new("RGBA", (30, 20)).save(red / "c.png")
    Image.new("CMYK", (30, 20)).save(red / "d.jpg")
    train = data.load(folder_config(root)).train
    shapes = {Path(n).name: train.pixels(i).shape for i, n in enumerate(train.names)}
    assert shapes["a.jpg"] == (30, 20, 3)
    assert shapes["b.png"] == shapes["c.png"] == shapes["d.jpg"] == (20, 30, 3)


def test_pixels_are_the_same_whether_they_are_kept_in_memory_or_not(
    make_folder: MakeFolder,
) -> None:
    root = make_folder({"train": 3, "val": 2})
    kept = data.load(folder_config(root), keep_gb=1.0)
    read = data.load(folder_config(root), keep_gb=0.0)
    assert kept.digest == read.digest
    for index in range(6):
        np.testing.assert_array_equal(kept.train.pixels(index), read.train.pixels(index))


def test_a_picture_in_both_train_and_val_is_told(make_folder: MakeFolder) -> None:
    root = make_folder({"train": 3, "val": 2})
    shutil.copy(root / "train" / "red" / "000.png", root / "val" / "red" / "copy.png")
    assert "1 picture is in both train and val" in data.load(folder_config(root)).notes[0]


def test_the_digest_follows_the_contents(make_folder: MakeFolder) -> None:
    root = make_folder({"train": 3, "val": 2})
    before = data.load(folder_config(root)).digest
    paint(root / "train" / "red" / "000.png", (0, 0, 0), 1, (40, 40))
    data._load.cache_clear()
    assert data.load(folder_config(root)).digest != before


def missing(root: Path) -> None:
    shutil.rmtree(root)


def empty_class(root: Path) -> None:
    shutil.rmtree(root / "train" / "red")
    (root / "train" / "red").mkdir()


def no_classes(root: Path) -> None:
    shutil.rmtree(root / "train")
    (root / "train").mkdir()


def class_only_in_val(root: Path) -> None:
    paint(root / "val" / "green" / "0.png", (0, 200, 0), 0, (40, 40))


def unreadable(root: Path) -> None:
    (root / "train" / "red" / "broken.jpg").write_bytes(b"no picture at all")


def truncated(root: Path) -> None:
    path = root / "val" / "blue" / "000.png"
    path.write_bytes(path.read_bytes()[:300])


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


def test_all_unreadable_pictures_are_named_at_once(make_folder: MakeFolder) -> None:
    root = make_folder({"train": 3, "val": 2})
    unreadable(root)
    truncated(root)
    with pytest.raises(DataError, match="2 pictures can't be read") as raised:
        data.load(folder_config(root))
    assert "train/red/broken.jpg" in str(raised.value)
    assert "val/blue/000.png" in str(raised.value)


def test_the_command_says_a_bad_folder_before_any_training(
    make_folder: MakeFolder, tmp_path: Path
) -> None:
    root = make_folder({"train": 3, "val": 2})
    class_only_in_val(root)
    said = command("-m", "reg=l1,l2", "data=imagefolder", f"data.root={root}", cwd=tmp_path)
    assert said.code == 1
    assert "'green'" in said.err
    assert "Traceback" not in said.err + said.out
    assert not (tmp_path / "mlflow.db").exists()


def test_the_digest_follows_how_pictures_are_read(make_folder: MakeFolder) -> None:
    """Features are kept by it: those of another background must not be taken for these."""
    root = make_folder({"train": 3, "val": 2})
    one = data.load(folder_config(root))
    for changes in ({"background": [0, 0, 0]}, {"value_range": [0.0, 4095.0]}):
        other = data.load(folder_config(root, **changes))
        assert other.digest != one.digest
        assert other.train.digest != one.train.digest
        # What a view is cut from a picture by, stays.
        assert (other.train.keys == one.train.keys).all()


def test_a_test_folder_is_not_replaced_by_pictures_held_back(make_folder: MakeFolder) -> None:
    root = make_folder({"train": 10, "test": 3})
    pictures = data.load(folder_config(root, test_fraction=0.2))
    assert pictures.test is not None
    assert all(name.startswith("test/") for name in pictures.test.names)
    assert (len(pictures.train), len(pictures.val), len(pictures.test)) == (16, 4, 6)


def test_many_classes_are_counted_in_a_short_line(tmp_path: Path) -> None:
    for label in range(30):
        for split, count in (("train", 2 + label % 3), ("val", 1)):
            for index in range(count):
                seed = 100 * label + 10 * index + len(split)
                paint(tmp_path / split / f"c{label:02}" / f"{index}.png", (9, 9, 9), seed, (8, 8))
    line = data.load(folder_config(tmp_path)).counts()
    assert line.startswith("c00: 2 train, 1 val; c01: 3 train, 1 val; ")
    assert line.endswith("; … and 24 more classes; each has 2 to 4 train, 1 to 1 val")


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
    listdir = os.listdir

    def refuse(folder: Path) -> list[str]:
        if Path(folder).name == "red":
            raise PermissionError(13, "Permission denied")
        return listdir(folder)

    monkeypatch.setattr(os, "listdir", refuse)
    with pytest.raises(DataError, match=r"red: this folder can't be read \(Permission denied\)"):
        data.load(folder_config(root))


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("data.background=[0,0]", "takes red, green and blue, 0 to 255"),
        ("data.background=[0,0,256]", "data.background=256: must be at least 0 and at most 255"),
        ("data.value_range=[1,0]", "takes the value that is black and the larger one"),
        ("data.value_range=[0,1,2]", "takes the value that is black and the larger one"),
        ("data.value_range=[0,nan]", "takes the value that is black and the larger one"),
        ("data.extra_formats=[.heic]", "the installed Pillow reads no .heic"),
    ],
)
def test_a_wrong_key_of_reading_is_told(
    argument: str, words: str, make_folder: MakeFolder, tmp_path: Path
) -> None:
    root = make_folder({"train": 3, "val": 2})
    said = command("data=imagefolder", f"data.root={root}", argument, cwd=tmp_path)
    assert said.code == 1
    assert words in said.err
    assert "Traceback" not in said.err + said.out


def test_more_pictures_than_there_are_is_refused(make_folder: MakeFolder) -> None:
    with pytest.raises(DataError, match=r"data\.train_pictures=9: there are 6"):
        data.load(folder_config(make_folder({"train": 3, "val": 2}), train_pictures=9))
