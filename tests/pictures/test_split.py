"""The pictures of a split: their pixels, their digest, and what can't be read."""

import numpy as np
import pytest

from ablation.config import CacheConfig
from ablation.pictures import data
from ablation.pictures.errors import DataError
from tests.conftest import paint
from tests.pictures.made_up import MakeFolder, folder_config, truncated, unreadable


def test_pixels_are_the_same_whether_they_are_kept_in_memory_or_not(
    make_folder: MakeFolder,
) -> None:
    root = make_folder({"train": 3, "val": 2})
    kept = data.load(folder_config(root), CacheConfig(pictures_gb=1.0))
    read = data.load(folder_config(root), CacheConfig(pictures_gb=0.0))
    assert kept.digest == read.digest
    for index in range(6):
        np.testing.assert_array_equal(kept.train.pixels(index), read.train.pixels(index))


def test_all_unreadable_pictures_are_named_at_once(make_folder: MakeFolder) -> None:
    root = make_folder({"train": 3, "val": 2})
    unreadable(root)
    truncated(root)
    with pytest.raises(DataError, match="2 pictures can't be read") as raised:
        data.load(folder_config(root))
    assert "train/red/broken.jpg" in str(raised.value)
    assert "val/blue/000.png" in str(raised.value)


def test_the_digest_follows_the_contents(make_folder: MakeFolder) -> None:
    root = make_folder({"train": 3, "val": 2})
    before = data.load(folder_config(root)).digest
    paint(root / "train" / "red" / "000.png", (0, 0, 0), 1, (40, 40))
    data._described.cache_clear()
    assert data.load(folder_config(root)).digest != before


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
