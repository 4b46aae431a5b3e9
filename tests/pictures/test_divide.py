"""Pictures are divided stratified, the same for every run, each into one split."""

import numpy as np
import pytest

from ablation.pictures import data
from ablation.pictures.errors import DataError
from tests.pictures.made_up import MakeFolder, folder_config


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


def test_a_test_folder_is_not_replaced_by_pictures_held_back(make_folder: MakeFolder) -> None:
    root = make_folder({"train": 10, "test": 3})
    pictures = data.load(folder_config(root, test_fraction=0.2))
    assert pictures.test is not None
    assert all(name.startswith("test/") for name in pictures.test.names)
    assert (len(pictures.train), len(pictures.val), len(pictures.test)) == (16, 4, 6)


def test_more_pictures_than_there_are_is_refused(make_folder: MakeFolder) -> None:
    with pytest.raises(DataError, match=r"data\.train_pictures=9: there are 6"):
        data.load(folder_config(make_folder({"train": 3, "val": 2}), train_pictures=9))
