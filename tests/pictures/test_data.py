"""Pictures are loaded, counted, and refused before anything is trained."""

from pathlib import Path

import numpy as np
import pytest

from ablation.config import CacheConfig
from ablation.pictures import data
from tests.conftest import command, paint
from tests.pictures.made_up import MakeFolder, class_only_in_val, folder_config


def test_many_classes_are_counted_in_a_short_line(tmp_path: Path) -> None:
    for label in range(30):
        for split, count in (("train", 2 + label % 3), ("val", 1)):
            for index in range(count):
                seed = 100 * label + 10 * index + len(split)
                paint(tmp_path / split / f"c{label:02}" / f"{index}.png", (9, 9, 9), seed, (8, 8))
    line = data.load(folder_config(tmp_path)).counts()
    assert line.startswith("c00: 2 train, 1 val; c01: 3 train, 1 val; ")
    assert line.endswith("; … and 24 more classes; each has 2 to 4 train, 1 to 1 val")


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


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("data.background=[0,0]", "takes red, green and blue, 0 to 255"),
        ("data.background=[0,0,256]", "data.background=256: must be at least 0 and at most 255"),
        ("data.value_range=[1,0]", "takes the value that is black and the larger one"),
        ("data.value_range=[0,1,2]", "takes the value that is black and the larger one"),
        ("data.value_range=[0,nan]", "takes the value that is black and the larger one"),
        ("data.extra_formats=[.cr2]", "the installed Pillow reads no .cr2"),
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


def test_a_source_with_train_and_val_is_judged_whole(make_folder: MakeFolder) -> None:
    config = folder_config(make_folder({"train": 6, "val": 4}), folds=2)
    one, other = (data.load(config, seed=seed) for seed in range(2))
    assert sorted([*one.val.names, *other.val.names]) == sorted([*one.train.names, *one.val.names])
    assert len(one.train) + len(one.val) == 20
    assert sorted(one.train.names) == sorted(other.val.names)
    assert one.digest != other.digest
    assert np.array_equal(
        one.val.pixels(0), other.train.pixels(other.train.names.index(one.val.names[0]))
    )


def test_a_root_means_another_folder_from_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for place, color in (("here", (200, 0, 0)), ("there", (0, 0, 200))):
        for number in range(8):
            file = tmp_path / place / "p" / ("ants", "bees")[number % 2] / f"{number}.png"
            paint(file, color, number, (40, 40))
        monkeypatch.chdir(tmp_path / place)
        found.append(data.load(folder_config(Path("p"))).train.pixels(0).mean((0, 1)).argmax())
    assert found == [0, 2]


def test_pictures_to_test_are_left_out_and_said_to_be(make_folder: MakeFolder) -> None:
    root = make_folder({"train": 5, "test": 5})
    loaded = data.load(folder_config(root, folds=2))
    assert loaded.test is None
    assert len(loaded.train) + len(loaded.val) == 10
    assert any("10 pictures to test are not used" in note for note in loaded.notes)


def test_copies_in_other_folds_are_told_however_they_are_divided(make_folder: MakeFolder) -> None:
    root = make_folder({"": 6})
    original = root / "red" / "000.png"
    for name in ("copy.png", "copy2.png"):
        (root / "red" / name).write_bytes(original.read_bytes())
    found = data.folded(folder_config(root, folds=4), CacheConfig(), range(4))
    told = "\n".join(found.lines())
    # Of three copies in four folds of two red pictures each, none is alone with the others.
    assert "3 pictures have copies in other folds" in told
    assert "2 pictures of the study are copies of others in it" in told


def test_all_folds_are_checked_and_told_in_one_line(make_folder: MakeFolder) -> None:
    config = folder_config(make_folder({"train": 6, "val": 3}), folds=4)
    found = data.folded(config, CacheConfig(), range(4))
    assert found.summary() == "18 pictures in 4 folds, 2 classes"
