"""Files that are easily decoded wrongly are decoded rightly, or refused by name."""

from pathlib import Path

import pytest
from PIL import Image

from ablation.pictures import data
from ablation.pictures.errors import DataError
from tests.cases.pictures import PICTURES, PictureCase, of_picture
from tests.pictures.made_up import MakeFolder, folder_config


@pytest.mark.parametrize("case", PICTURES, ids=lambda case: case.name)
def test_a_picture_has_the_means_of_what_was_written_or_is_refused(
    case: PictureCase, tmp_path: Path
) -> None:
    config = of_picture(case, tmp_path)
    if case.means is None:
        with pytest.raises(DataError) as raised:
            data.load(config)
        assert case.said in str(raised.value)
        assert f"train/ants/{case.file}: " in str(raised.value)
        return
    pictures = data.load(config)
    found = pictures.train.pixels(0).reshape(-1, 3).mean(0)
    # Of colours of 16 bits Pillow keeps the upper 8.
    assert found == pytest.approx(case.means, abs=0.8 if "colour16" in case.file else 0.6)
    assert case.said in "\n".join(pictures.lines())


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
