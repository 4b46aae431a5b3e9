"""Pictures are divided stratified, the same for every run, each into one split."""

import numpy as np
import pytest

from ablation.config import DataConfig
from ablation.pictures import data
from ablation.pictures.divide import fold
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


def settings(folds: int = 5, **values: object) -> DataConfig:
    return DataConfig(source="folder", folds=folds, **values)  # type: ignore[arg-type]


def test_the_folds_of_a_division_judge_each_picture_once_and_train_on_the_others() -> None:
    labels, groups = [0] * 23 + [1] * 31, [None] * 54
    judged: list[int] = []
    for seed in range(5):
        train, val = fold(labels, groups, settings(), seed)
        assert sorted([*train, *val]) == list(range(54))
        assert 4 <= np.sum(np.array(labels)[val] == 0) <= 5
        judged += val.tolist()
    assert sorted(judged) == list(range(54))


def test_the_next_seeds_are_the_folds_of_another_division() -> None:
    labels, groups = [0] * 20 + [1] * 20, [None] * 40
    first = [fold(labels, groups, settings(), seed)[1].tolist() for seed in range(5)]
    second = [fold(labels, groups, settings(), seed)[1].tolist() for seed in range(5, 10)]
    assert sorted(at for part in second for at in part) == list(range(40))
    assert not any(part in second for part in first)
    assert first == [fold(labels, groups, settings(), seed)[1].tolist() for seed in range(5)]
    other = fold(labels, groups, settings(split_seed=1), 0)[1].tolist()
    assert other not in first


def test_pictures_of_a_group_are_in_one_fold() -> None:
    labels = [n % 2 for n in range(60)]
    groups = [f"patient {n // 4}" for n in range(60)]
    where: dict[str, int] = {}
    for seed in range(3):
        for place in fold(labels, groups, settings(folds=3), seed)[1]:
            assert where.setdefault(groups[place], seed) == seed


def test_a_class_with_fewer_pictures_than_folds_is_refused() -> None:
    with pytest.raises(DataError, match=r"data.folds=5: a class has 3 pictures.*data.folds=3"):
        fold([0] * 9 + [1] * 3, [None] * 12, settings(), 0)
    with pytest.raises(DataError, match="a class has 2 groups of pictures"):
        fold([0] * 9 + [1] * 4, [*"abcdefghi", *"jjkk"], settings(), 0)
