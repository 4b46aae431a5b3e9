"""Pictures are loaded, counted, and refused before anything is trained."""

from pathlib import Path

import pytest

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
