"""Archives and splits that several tests of pictures use."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ablation.pictures import data
from ablation.pictures.split import Split
from tests.pictures.made_up import NAMES, MakeFolder, views_config, zipped


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where the pictures of an archive are to be; its parent is not there yet."""
    return tmp_path / "new" / "pictures"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The pictures of an archive, before they are packed."""
    folder = tmp_path / "originals"
    for index, name in enumerate(NAMES):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (16, 16), (20 * index, 90, 30)).save(path)
    return folder


@pytest.fixture
def archive(folder: Path) -> bytes:
    return zipped({f"hymenoptera_data/{name}": (folder / name).read_bytes() for name in NAMES})


@pytest.fixture
def split(make_folder: MakeFolder) -> Split:
    return data.load(views_config(make_folder({"train": 6, "val": 2}))).train


@pytest.fixture
def photographs(tmp_path: Path) -> Split:
    """Pictures with detail, of several sizes, larger and smaller than a view."""
    draws = np.random.default_rng(0)
    for index, (width, height) in enumerate([(90, 61), (40, 70), (20, 24), (64, 64), (33, 120)]):
        pixels = draws.integers(0, 256, (height // 4 + 1, width // 4 + 1, 3), dtype=np.uint8)
        picture = Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC)
        for name in ("train/a", "train/b", "val/a", "val/b"):
            (tmp_path / name).mkdir(parents=True, exist_ok=True)
            picture.rotate(90 if name[-1] == "b" else 0).save(tmp_path / name / f"{index}.png")
    return data.load(views_config(tmp_path, size=32)).train
