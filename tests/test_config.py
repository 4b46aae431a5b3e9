"""The config files and the schema behind them; what `--help` shows of both."""

import itertools
from pathlib import Path

import pytest
import yaml

from ablation import config
from ablation.study import grid
from tests.conftest import command, command_and_imports


@pytest.mark.parametrize("argument", ["--help", "transfer=frozn", "epochs=0"])
def test_help_and_mistakes_load_neither_torch_nor_mlflow(argument: str, tmp_path: Path) -> None:
    assert "HEAVY set()" in command_and_imports(argument, cwd=tmp_path).out


def test_help_names_every_factor_and_level(tmp_path: Path) -> None:
    said = command("--help", cwd=tmp_path)
    assert said.code == 0
    for line in (
        "transfer: frozen, frozen_moving, full, partial, scratch",
        "reg: elastic, l1, l2, none",
        "optimizer: adam, adamw, sgd",
        "scheduler: constant, cosine, step",
        "data: digits, hymenoptera, imagefolder",
    ):
        assert line in said.out


#: Factors whose keys stand in config.yaml. Those of an optimizer or a scheduler stand in its level:
#: each kind has its own.
SHARED = ("data", "model", "transfer", "reg")


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


@pytest.mark.parametrize("factor", ["optimizer", "scheduler"])
def test_every_level_of_an_optimizer_and_a_scheduler_has_all_keys(factor: str) -> None:
    for path in (config.folder() / factor).glob("*.yaml"):
        assert {f"{factor}.{key}" for key in read(path)} == {
            name for name in config.SCHEMA if name.startswith(f"{factor}.")
        }


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


def test_a_persons_own_level_may_have_all_keys(tmp_path: Path) -> None:
    """As every level had them before they stood in config.yaml."""
    (tmp_path / "reg").mkdir()
    level = "penalties: [l1]\nl1: 1e-2\nl2: 1e-3\n"
    (tmp_path / "reg" / "strong.yaml").write_text(level)
    (run,) = grid.expand(["reg=strong"], multirun=False, config_dir=tmp_path).runs
    assert (run.config.reg.l1, run.config.reg.l2) == (0.01, 0)
    (other,) = grid.expand(["reg=strong", "reg.l1=1"], multirun=False, config_dir=tmp_path).runs
    assert other.config.reg.l1 == 1
