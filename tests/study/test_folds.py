"""With `data.folds` a seed is a fold: which seeds a command has, and which it refuses."""

import pytest

from ablation.errors import ConfigError
from ablation.study import grid
from ablation.study.fingerprints import fingerprint

FOLDS = ["data.folds=4", "transfer=full,frozen"]


def test_a_command_without_seeds_has_the_folds_of_one_division() -> None:
    asked = grid.expand(FOLDS, multirun=True)
    assert asked.axes["seed"] == ("0", "1", "2", "3")
    assert [run.config.seed for run in asked.runs] == 2 * [0, 1, 2, 3]
    assert {run.config.data.folds for run in asked.runs} == {4}


def test_seeds_may_be_those_of_several_divisions() -> None:
    asked = grid.expand([*FOLDS, "seed=range(4,12)"], multirun=True)
    assert asked.axes["seed"] == tuple(map(str, range(4, 12)))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["seed=0,1"], r"seed=0,1: .*these lack 2, 3; seed='range\(4\)'"),
        (["seed=range(6)"], "these lack 6, 7"),
        (["seed=2"], "seed=2: with data.folds=4 a seed is one fold"),
        (["seed=auto"], "data.folds: not with seed=auto"),
        (["data.test_fraction=0.2"], "data.test_fraction=0.2: not with data.folds"),
    ],
)
def test_parts_of_a_division_are_refused(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        grid.expand([*FOLDS, *words], multirun=True)


def test_folds_are_neither_one_run_nor_swept() -> None:
    with pytest.raises(ConfigError, match=r"data\.folds=4: add -m"):
        grid.expand(["data.folds=4"], multirun=False)
    with pytest.raises(ConfigError, match=r"data\.folds: can't be swept"):
        grid.expand(["data.folds=4,5"], multirun=True)


def test_folds_make_another_run_and_no_folds_the_one_of_before() -> None:
    plain, folded = (
        grid.expand([*words, "seed=0,1,2,3"], multirun=True).runs[0].config
        for words in ([], ["data.folds=4"])
    )
    assert fingerprint(plain) != fingerprint(folded)
    folded.data.folds = None
    assert fingerprint(plain) == fingerprint(folded)
