"""The runs of a command, each composed and checked."""

from pathlib import Path

import pytest

from ablation import config
from ablation.errors import ConfigError
from ablation.study import grid, hydra_insides
from ablation.study.hydra_insides import Job, Way


def test_the_grid_is_the_product_of_the_sweeps_in_their_order() -> None:
    asked = grid.expand(["transfer=full,frozen", "reg=l1,l2", "seed=range(2)"], multirun=True)
    assert [tuple(run.varied.values()) for run in asked.runs] == [
        (transfer, reg, seed)
        for transfer in ("full", "frozen")
        for reg in ("l1", "l2")
        for seed in ("0", "1")
    ]
    assert [run.config.seed for run in asked.runs] == [0, 1] * 4
    assert len({run.fingerprint for run in asked.runs}) == 8


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("optimizer.lr", ["1e-3", "1", "0.5"]),
        ("data.flip", ["yes", "no"]),
        ("model.mean", ["[0,0,0]", "[0.5,0.5,0.5]"]),
        ("precision", ["auto", "float32"]),
        ("seed", ["01", "2", "'3'"]),
    ],
)
def test_setting_a_value_gives_what_composing_it_gives(key: str, values: list[str]) -> None:
    swept = grid.expand([f"{key}={','.join(values)}", "reg=l1,l2"], multirun=True)
    alone = [
        grid.expand([f"{key}={value}", f"reg={reg}"], multirun=False).runs[0]
        for value in values
        for reg in ("l1", "l2")
    ]
    assert [run.fingerprint for run in swept.runs] == [run.fingerprint for run in alone]
    for run in swept.runs:
        # What a run is called is what its settings say.
        logged = config.leaves(run.config)[key]
        assert isinstance(logged, list) or run.varied[key] == str(logged)


def test_an_override_of_a_key_works_whichever_level_is_swept() -> None:
    asked = grid.expand(
        [
            "transfer=full,frozen,scratch",
            "reg=l1,l2",
            "reg.l1=1e-4",
            "optimizer=sgd,adam",
            "optimizer.lr=1e-3",
        ],
        multirun=True,
    )
    assert len(asked.runs) == 12
    assert {run.config.optimizer["lr"] for run in asked.runs} == {1e-3}
    strengths = {
        run.levels["reg"]: (run.config.reg.get("l1"), run.config.reg.get("l2"))
        for run in asked.runs
    }
    # L1 is set where the level has it; it does not leak into the L2 cells.
    assert strengths == {"l1": (1e-4, None), "l2": (None, 1e-3)}


def test_experiments_have_the_settings_of_their_documents() -> None:
    first = grid.expand(["+experiment=resnet50_sgd"], multirun=True).runs
    arms = [run.levels["transfer"] for run in first]
    assert arms == ["full", "frozen", "frozen_moving", "scratch"]
    config = first[2].config
    sgd = {"_target_": "torch.optim.SGD", "lr": 0.01, "momentum": 0, "nesterov": False}
    l2 = {"_target_": "ablation.training.regularizer.L2", "l2": 1e-4}
    assert (config.optimizer, config.reg) == (sgd, l2)
    assert (config.epochs, config.batch_size) == (20, 25)
    assert not config.transfer.freeze_statistics
    second = grid.expand(["+experiment=resnet18_adam"], multirun=True).runs
    assert [tuple(run.varied.values()) for run in second] == [
        (transfer, reg) for transfer in ("frozen", "frozen_moving", "full") for reg in ("l2", "l1")
    ]
    config = second[3].config
    assert not config.transfer.freeze_statistics
    assert (config.optimizer["_target_"], config.optimizer["lr"]) == ("torch.optim.Adam", 1e-3)
    l1 = {"_target_": "ablation.training.regularizer.L1", "l1": 1e-3}
    assert (config.epochs, config.batch_size, config.reg) == (5, 4, l1)


def test_more_runs_than_can_be_trained_are_refused() -> None:
    with pytest.raises(ConfigError, match="more than 100,000 runs together"):
        grid.expand(["seed=range(1000)", "epochs=range(1,1000)"], multirun=True)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("report.baseline.transfer=fll", "did you mean full"),
        ("report.baseline.reg=l1", "compares transfer"),
        ("report.nuisance=[optimizer.lrr]", "did you mean optimizer.lr"),
    ],
)
def test_what_the_report_cannot_find_is_told_before_the_runs(override: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        grid.expand(["transfer=full,frozen", override], multirun=True)


def test_a_level_is_added_by_a_file_alone(tmp_path: Path) -> None:
    (tmp_path / "optimizer").mkdir()
    (tmp_path / "optimizer" / "slow.yaml").write_text("_target_: torch.optim.SGD\nlr: 1e-5\n")
    asked = grid.expand(["optimizer=slow,adam"], multirun=True, config_dir=tmp_path)
    assert [run.config.optimizer["lr"] for run in asked.runs] == [1e-5, 1e-3]


@pytest.mark.parametrize("word", ["crops=schwär,light", "+crops=schwär,light"])
def test_a_factor_is_added_by_a_folder_alone(word: str, own_configs: Path) -> None:
    asked = grid.expand([word, "reg=l1,l2"], multirun=True, config_dir=own_configs)
    assert [(run.levels["crops"], run.config.data.crop_min) for run in asked.runs] == [
        ("schwär", 0.1),
        ("schwär", 0.1),
        ("light", 0.5),
        ("light", 0.5),
    ]
    assert asked.study == "digits-crops-reg"
    whole = grid.expand(["crops=glob(*)"], multirun=True, config_dir=own_configs)
    assert [run.varied for run in whole.runs] == [{"crops": "light"}, {"crops": "schwär"}]


def test_an_experiment_is_added_by_a_file_alone(own_configs: Path) -> None:
    asked = grid.expand(["+experiment=mine"], multirun=True, config_dir=own_configs)
    assert asked.study == "größe"
    assert [(run.levels["crops"], run.config.seed) for run in asked.runs] == [
        ("light", 1),
        ("light", 2),
        ("schwär", 1),
        ("schwär", 2),
    ]
    assert {run.config.optimizer["lr"] for run in asked.runs} == {1e-5}


@pytest.mark.parametrize(
    ("words", "way"),
    [
        ((), Way.HERE),
        (("hydra/sweeper=basic",), Way.HERE),
        (("hydra.output_subdir=.hydra",), Way.HYDRA),
        (("hydra/job_logging=default",), Way.HYDRA),
        (("+hydra.callbacks.mine._target_=hydra.experimental.callback.Callback",), Way.HYDRA),
        (("+hydra.job.env_set.ABLATION_TEST=1",), Way.HYDRA),
        (("hydra/launcher=joblib",), Way.WORKERS),
    ],
)
def test_hydra_starts_the_runs_where_it_has_more_to_do_than_to_compose_them(
    words: tuple[str, ...], way: Way
) -> None:
    if way is Way.WORKERS:
        pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    assert grid.expand(["reg=l1,l2", *words], multirun=True).way is way


def test_a_composed_run_is_the_planned_one() -> None:
    (planned,) = grid.expand(["reg=l1", "optimizer.lr=1e-2"], multirun=False).runs
    with hydra_insides.config_files(config.folder()):
        composed = hydra_insides.composed(planned.overrides)
    choices = composed.hydra.runtime.choices
    run = grid.composed_run(Job(0, (), choices), config.visible(composed))
    assert (run.config, run.levels) == (planned.config, planned.levels)
    assert (run.fingerprint, run.name) == (planned.fingerprint, planned.name)
