"""Pictures in folds: each is judged once, stratified, the same for the same seed."""

import numpy as np
import pytest

from ablation.config import DataConfig
from ablation.pictures import data
from ablation.pictures.divide import fold
from ablation.pictures.errors import DataError
from tests.pictures.made_up import MakeFolder


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


def test_a_source_with_train_and_val_is_judged_whole(make_folder: MakeFolder) -> None:
    config = settings(root=str(make_folder({"train": 6, "val": 4})), folds=2)
    one, other = (data.load(config, seed=seed) for seed in range(2))
    assert sorted([*one.val.names, *other.val.names]) == sorted([*one.train.names, *one.val.names])
    assert len(one.train) + len(one.val) == 20
    assert sorted(one.train.names) == sorted(other.val.names)
    assert one.digest != other.digest
    assert np.array_equal(
        one.val.pixels(0), other.train.pixels(other.train.names.index(one.val.names[0]))
    )


def test_pictures_to_test_are_left_out_and_said_to_be(make_folder: MakeFolder) -> None:
    root = make_folder({"train": 5, "test": 5})
    loaded = data.load(settings(root=str(root), folds=2))
    assert loaded.test is None
    assert len(loaded.train) + len(loaded.val) == 10
    assert any("10 pictures to test are not used" in note for note in loaded.notes)


def test_all_folds_are_checked_and_told_in_one_line(make_folder: MakeFolder) -> None:
    config = settings(root=str(make_folder({"train": 6, "val": 3})), folds=4)
    found = data.folded(config, 1.0, range(4))
    assert found.summary() == "18 pictures in 4 folds, 2 classes"
