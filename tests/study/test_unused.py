"""Settings that no run uses are named, for they may be a mistake."""

import pytest

from ablation.errors import ConfigError
from ablation.study import grid


def test_a_setting_that_no_run_uses_is_named() -> None:
    words = ["data.url=x", "transfer.stages=2"]
    alone = grid.expand(words, multirun=False)
    assert [note.partition(" ")[0] for note in alone.notes] == ["data.url=x", "transfer.stages=2"]
    (note,) = grid.expand(["report.difference=0.02"], multirun=False).notes
    assert "-m makes one" in note
    used = ["transfer.stages=2", "transfer=full,partial", "report.difference=0.02"]
    assert not grid.expand(used, multirun=True).notes


def test_an_argument_that_no_run_takes_is_refused_and_one_that_some_take_is_not() -> None:
    words = ["reg.l1=1e-4", "optimizer.momentum=0.5"]
    with pytest.raises(ConfigError, match=r"reg.l1=1e-4: .*L2 takes no l1 .*choose from reg.l2"):
        grid.expand([words[0], "reg=l2"], multirun=False)
    with pytest.raises(ConfigError, match=r"Adam takes no momentum.*optimizer.betas"):
        grid.expand([words[1]], multirun=False)
    runs = grid.expand([*words, "reg=l1,l2", "optimizer=adam,sgd"], multirun=True).runs
    assert [run.config.reg.get("l1") for run in runs] == [1e-4, 1e-4, None, None]
    assert [run.config.optimizer.get("momentum") for run in runs] == [None, 0.5, None, 0.5]
