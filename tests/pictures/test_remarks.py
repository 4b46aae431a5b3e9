"""What a person is told of pictures before anything is trained on them."""

import shutil
from pathlib import Path

from PIL import Image

from ablation.pictures import data, remarks
from tests.conftest import paint
from tests.pictures.made_up import MakeFolder, folder_config


def test_a_picture_in_both_train_and_val_is_told(make_folder: MakeFolder) -> None:
    root = make_folder({"train": 3, "val": 2})
    shutil.copy(root / "train" / "red" / "000.png", root / "val" / "red" / "copy.png")
    assert "1 picture is in both train and val" in data.load(folder_config(root)).notes[0]


def test_copies_are_found_by_their_pixels_not_by_their_files(make_folder: MakeFolder) -> None:
    root = make_folder({"train": 3, "val": 2})
    original = root / "train" / "red" / "large.png"
    paint(original, (200, 40, 40), 5, (130, 130))
    with Image.open(original) as picture:
        picture.save(root / "train" / "red" / "copy.bmp")
        changed = picture.copy()
    # Not one of the pixels that are compared first.
    changed.putpixel((129, 129), (0, 0, 0))
    changed.save(root / "train" / "red" / "changed.png")
    splits = data.load(folder_config(root)).splits
    groups = [[Path(member.name).name for member in group] for group in remarks.copies(splits)]
    assert groups == [["copy.bmp", "large.png"]]
    facts = dict(zip(splits["train"].names, splits["train"].facts, strict=True))
    hashes = {facts[f"train/red/{name}"].pixel_hash for name in ("large.png", "changed.png")}
    assert len(hashes) == 1
