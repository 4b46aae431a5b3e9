"""The config files and the schema behind them; what `--help` shows of both."""

import itertools
from pathlib import Path

import pytest
import yaml
from omegaconf import OmegaConf

from ablation import config, parts, targets
from ablation.errors import ConfigError
from ablation.study import grid
from tests.conftest import command, command_and_imports


@pytest.mark.parametrize("argument", ["--help", "transfer=frozn", "epochs=0"])
def test_help_and_mistakes_load_neither_torch_nor_mlflow(argument: str, tmp_path: Path) -> None:
    assert "HEAVY set()" in command_and_imports(argument, cwd=tmp_path).out


def test_help_names_every_factor_and_level(tmp_path: Path) -> None:
    said = command("--help", cwd=tmp_path)
    assert said.code == 0
    for line in (
        "transfer: frozen, frozen_moving, full, gradual, lpft, partial, scratch",
        "reg: elastic, l1, l2, l2sp, none",
        "optimizer: adam, adamw, sgd",
        "scheduler: constant, cosine, one_cycle, step, warmup",
        "loss: class_weights, cross_entropy, focal, smoothing",
        "data: digits, hymenoptera, imagefolder",
    ):
        assert line in said.out


#: Factors whose keys stand in config.yaml. The arguments of a part stand in its level.
SHARED = ("data", "model", "transfer")


@pytest.mark.parametrize("factor", SHARED)
def test_no_level_has_a_key_that_config_yaml_lacks(factor: str) -> None:
    known = set(read(config.folder() / "config.yaml")[factor])
    for path in (config.folder() / factor).glob("*.yaml"):
        assert set(read(path)) <= known, f"{path} has keys that config.yaml lacks"


@pytest.mark.parametrize("factor", SHARED)
def test_config_yaml_has_every_key_of_the_schema(factor: str) -> None:
    known = read(config.folder() / "config.yaml")[factor]
    assert [f"{factor}.{key}" for key in known] == [
        name for name in config.SCHEMA if name.startswith(f"{factor}.")
    ]


@pytest.mark.parametrize("factor", parts.GROUPS)
def test_every_level_of_a_part_gives_the_arguments_of_its_target(factor: str) -> None:
    for path in (config.folder() / factor).glob("*.yaml"):
        target, *given = read(path).items()
        assert target[0] == "_target_", path
        shipped = parts.SHIPPED[str(target[1])] if target[1] is not None else ()
        common = parts.COMMON.get(factor, ())
        assert tuple(key for key, _ in given if key not in common) == shipped, path


@pytest.mark.parametrize("target", parts.SHIPPED)
def test_shipped_targets_take_what_is_written_down_for_them(target: str) -> None:
    given = {"torch.optim": 1, "ablation.training.scheduler": 1}.get(target.rpartition(".")[0], 0)
    assert set(parts.SHIPPED[target]) <= set(targets.arguments(target, given))


def read(path: Path) -> dict[str, object]:
    found: dict[str, object] = yaml.safe_load(path.read_text())
    return found


def test_every_key_of_config_yaml_has_its_reason_above_it() -> None:
    text = (config.folder() / "config.yaml").read_text().partition("\nhydra:")[0]
    lines = text.partition("\n\n")[2].splitlines()
    for above, line in itertools.pairwise(lines):
        opens_a_part = line.endswith(":") and not line.startswith(" ")
        if line.strip() and not line.strip().startswith("#") and not opens_a_part:
            assert above.strip().startswith("#"), f"config.yaml: {line}"


def test_every_level_says_in_its_first_line_what_it_is() -> None:
    for path in config.folder().glob("*/*.yaml"):
        assert path.read_text().startswith("# "), path


def test_a_persons_own_levels_for_the_first_version_mean_what_they_meant(tmp_path: Path) -> None:
    for file, level in {
        "reg/strong": "penalties: [l1]\nl1: 1e-2\nl2: 1e-3\n",
        "optimizer/slow": "name: sgd\nlr: 1e-5\n",
        "scheduler/late": "name: step\nstep_epochs: 4\n",
    }.items():
        path = tmp_path / f"{file}.yaml"
        path.parent.mkdir()
        path.write_text(level)
    words = ["reg=strong", "optimizer=slow", "scheduler=late"]
    (run,) = grid.expand(words, multirun=False, config_dir=tmp_path).runs
    assert run.config.reg == {"_target_": "ablation.training.regularizer.L1", "l1": 0.01}
    sgd = {"_target_": "torch.optim.SGD", "lr": 1e-5, "momentum": 0.9, "nesterov": False}
    assert run.config.optimizer == sgd
    step = {"_target_": "ablation.training.scheduler.step", "step_epochs": 4, "gamma": 0.1}
    assert run.config.scheduler == step
    # As the first version computed it.
    assert run.fingerprint == "aada7df8993bacf1"
    (other,) = grid.expand(["reg=strong", "reg.l1=1"], multirun=False, config_dir=tmp_path).runs
    assert other.config.reg["l1"] == 1


def test_a_part_without_a_target_is_refused(tmp_path: Path) -> None:
    (tmp_path / "reg").mkdir()
    (tmp_path / "reg" / "strong.yaml").write_text("l1: 1e-2\n")
    with pytest.raises(ConfigError, match=r"reg\._target_ is not set"):
        grid.expand(["reg=strong"], multirun=False, config_dir=tmp_path)


@pytest.mark.parametrize(
    "words",
    [["study=007", "optimizer.lr=1e-3"], ["study=on", "reg=elastic", "data.value_range=[0,1]"]],
)
def test_the_file_of_a_config_is_as_omegaconf_writes_it(words: list[str]) -> None:
    (run,) = grid.expand(words, multirun=False).runs
    text = config.as_yaml(run.config)
    assert text == OmegaConf.to_yaml(OmegaConf.create(config.nested(run.config)))
