"""What a person is told of pictures before anything is trained on them."""

import shutil

from ablation.pictures import data
from tests.pictures.made_up import MakeFolder, folder_config


def test_a_picture_in_both_train_and_val_is_told(make_folder: MakeFolder) -> None:
    root = make_folder({"train": 3, "val": 2})
    shutil.copy(root / "train" / "red" / "000.png", root / "val" / "red" / "copy.png")
    assert "1 picture is in both train and val" in data.load(folder_config(root)).notes[0]
