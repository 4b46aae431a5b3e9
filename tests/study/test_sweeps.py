"""What a command and its experiment sweep."""

import re

import pytest

from ablation import config
from ablation.errors import ConfigError
from ablation.study import grid, sweeps


def test_the_command_decides_over_the_sweep_of_an_experiment() -> None:
    whole = grid.expand(["+experiment=seed_grid"], multirun=True)
    assert len(whole.runs) == 18
    less = ["+experiment=seed_grid", "transfer=frozen", "reg=l1,l2", "seed=range(3)"]
    asked = grid.expand(less, multirun=True)
    assert dict(asked.axes) == {
        "reg": ("l1", "l2"),
        "optimizer": ("sgd", "adam"),
        "seed": ("0", "1", "2"),
    }
    assert {run.levels["transfer"] for run in asked.runs} == {"frozen"}


@pytest.mark.parametrize(
    "key",
    [
        *(name for name, item in config.SCHEMA.items() if not item.result),
        "hydra/launcher",
        "hydra.sweep.dir",
        "experiment",
        "report.baseline.transfer",
    ],
)
def test_what_changes_no_result_is_not_swept(key: str) -> None:
    if key in sweeps.BY_CONTENT:
        words = ["data=imagefolder", "data.root=c", f"{key}=a,b"]
        asked = grid.expand(words, multirun=True)
        assert len({run.fingerprint for run in asked.runs}) == 2
        assert [run.varied for run in asked.runs] == [{key: "a"}, {key: "b"}]
    else:
        with pytest.raises(ConfigError, match=re.escape(key)):
            grid.expand(["transfer=full,frozen", f"{key}=a,b"], multirun=True)


@pytest.mark.parametrize("word", ["experiment=seed_grid", "+experiment=tuned_grid"])
def test_an_experiment_of_several_runs_is_not_cut_down_to_one(word: str) -> None:
    with pytest.raises(ConfigError, match=r"of transfer, reg, optimizer.*; add -m"):
        grid.expand([word], multirun=False)
    words = [word, "transfer=full", "reg=l1", "optimizer=adam", "optimizer.lr=1e-3"]
    asked = grid.expand(words, multirun=False)
    assert len(asked.runs) == 1
    assert asked.runs[0].levels["transfer"] == "full"
    assert not asked.is_sweep


def test_what_an_experiment_sweeps_can_be_changed_in_its_own_words() -> None:
    words = ["experiment=seed_grid", "hydra.sweeper.params.reg='l1,l2'"]
    asked = grid.expand([*words, "~hydra.sweeper.params.optimizer"], multirun=True)
    assert dict(asked.axes) == {"transfer": ("full", "frozen", "scratch"), "reg": ("l1", "l2")}
    added = grid.expand(["hydra.sweeper.params={seed: '1,2'}"], multirun=True)
    assert dict(added.axes) == {"seed": ("1", "2")}
    none = grid.expand(["experiment=seed_grid", "hydra.sweeper.params=null"], multirun=True)
    assert len(none.runs) == 1


def test_hydras_own_word_for_a_sweep_is_a_sweep() -> None:
    assert len(grid.expand(["seed=1,2", "hydra.mode=MULTIRUN"], multirun=False).runs) == 2
    with pytest.raises(ConfigError, match=r"hydra\.mode=RUN and -m"):
        grid.expand(["seed=1,2", "hydra.mode=RUN"], multirun=True)


@pytest.mark.parametrize("multirun", [True, False])
@pytest.mark.parametrize("interval", ["interval(1e-4,1e-1)", "tag(log,interval(1e-4,1e-1))"])
def test_an_interval_needs_a_sweeper_that_chooses(interval: str, multirun: bool) -> None:
    with pytest.raises(ConfigError, match=r"optimizer.lr=A,B.*hydra/sweeper=optuna"):
        grid.expand([f"optimizer.lr={interval}"], multirun=multirun)


@pytest.mark.parametrize(
    ("sweep", "levels"),
    [
        ("transfer=glob(f*)", ("frozen", "frozen_moving", "full")),
        ("transfer=glob(*,exclude=*a*)", ("frozen", "frozen_moving", "full", "lpft")),
        ("transfer=choice(full,frozen)", ("full", "frozen")),
        ("transfer=sort(scratch,full)", ("full", "scratch")),
    ],
)
def test_hydras_functions_name_levels(sweep: str, levels: tuple[str, ...]) -> None:
    asked = grid.expand([sweep], multirun=True)
    assert tuple(run.levels["transfer"] for run in asked.runs) == levels


@pytest.mark.parametrize(
    ("sweep", "answer"),
    [
        ("transfer=glob(x*)", "no level is called so; choose from frozen, "),
        ("seed=range(3,0)", "names no value"),
        ("seed=range(1000000000)", "names more than 100,000 values"),
    ],
)
def test_a_sweep_of_nothing_or_too_much_is_refused(sweep: str, answer: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(answer)):
        grid.expand([sweep], multirun=True)


@pytest.mark.parametrize("sweep", ["seed=1,2,1", "seed=1,01", "data.flip=yes,true", "reg=l1,l1"])
def test_a_value_named_twice_is_refused(sweep: str) -> None:
    with pytest.raises(ConfigError, match=f"^{sweep}: names a value twice"):
        grid.expand([sweep], multirun=True)
