"""Hydra's flags: each is obeyed, or refused with one sentence that says what to use instead."""

import argparse
from pathlib import Path

import pytest

from ablation.errors import ConfigError
from ablation.study import flags
from ablation.study.hydra_insides import arguments_parser
from tests.conftest import command

#: What makes each flag print, and a word of what it prints.
PRINTED = {
    "help": (["--help"], "== Factors and their levels =="),
    "hydra_help": (["--hydra-help"], "Hydra's help"),
    "version": (["--version"], "ablation "),
    "cfg": (["--cfg", "job", "transfer=frozen"], "trained: head"),
    "info": (["--info", "defaults-tree"], "transfer: full"),
    "shell_completion": (["-sc", "install=bash"], "hydra_bash_completion"),
}


def flags_of_hydra() -> dict[str, argparse.Action]:
    return {action.dest: action for action in arguments_parser()._actions if action.option_strings}


def test_every_flag_of_hydra_is_known_here() -> None:
    known = [*flags.PRINTING, *flags.STEERING, *flags.REFUSED]
    assert sorted(known) == sorted(flags_of_hydra()), (
        "Hydra's flags have changed: each belongs into PRINTING, STEERING or REFUSED of flags.py"
    )
    assert set(PRINTED) == set(flags.PRINTING)


@pytest.mark.parametrize("name", flags.PRINTING)
def test_a_flag_that_prints_prints_and_trains_nothing(name: str, tmp_path: Path) -> None:
    arguments, word = PRINTED[name]
    said = command(*arguments, cwd=tmp_path)
    assert said.code == 0, said.err
    assert word in said.out
    assert "Traceback" not in said.out + said.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", flags.REFUSED)
def test_a_flag_that_is_refused_is_named_with_what_to_use_instead(name: str) -> None:
    for option in flags_of_hydra()[name].option_strings:
        with pytest.raises(ConfigError) as raised:
            flags.parse([option, "x", "transfer=frozen"])
        assert str(raised.value) == f"--{name.replace('_', '-')}=x: {flags.REFUSED[name]}"


def test_a_refused_flag_ends_the_command_before_it_trains(tmp_path: Path) -> None:
    said = command("--config-name", "nothere", cwd=tmp_path)
    assert said.code == 1
    assert said.err.startswith("error: --config-name=nothere: ")
    assert len(said.err.splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--nothere"], "--nothere: unknown flag"),
        (["--multi", "seed=1,2"], "--multi: unknown flag"),
        (["--cfg", "jobb"], "choose from"),
        (["--config-dir"], "expected one argument"),
        (["--run", "--multirun"], "--run and --multirun"),
        (["--help", "--cfg", "job"], "--help and --cfg"),
        (["--resolve"], "--cfg"),
        (["--cfg", "hydra", "--resolve"], "--cfg all"),
        (["--package", "optimizer"], "--cfg"),
    ],
)
def test_flags_that_mean_nothing_are_refused(arguments: list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        flags.parse(arguments)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--config-dir", "nothere"], "--config-dir=nothere: there is no such folder"),
        (["--cfg", "job", "nonsense=1"], "nonsense=1: unknown key"),
        (["--help", "nonsense=1"], "nonsense=1: unknown key"),
        (["--info", "config", "epochs=0"], "epochs=0: must be at least 1"),
        (["-sc"], "install=bash"),
    ],
)
def test_what_is_to_be_printed_is_checked(arguments: list[str], words: str, tmp_path: Path) -> None:
    said = command(*arguments, cwd=tmp_path)
    assert said.code == 1
    assert words in said.err
    assert len(said.err.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["-m", "seed=1,2", "reg=l1"],
        ["seed=1,2", "-m", "reg=l1"],
        ["seed=1,2", "reg=l1", "--multirun"],
        ["--config-dir", "x", "seed=1,2", "-m", "reg=l1"],
        ["seed=1,2", "-cd=x", "reg=l1", "-m"],
    ],
)
def test_flags_may_stand_anywhere(arguments: list[str]) -> None:
    parsed = flags.parse(arguments)
    assert parsed.multirun
    assert parsed.words == ("seed=1,2", "reg=l1")
    assert parsed.config_dir == (Path("x") if len(arguments) > 3 else None)


def test_the_config_of_a_sweep_is_that_of_its_first_run(tmp_path: Path) -> None:
    said = command("-m", "--cfg", "job", "-p", "seed", "seed=7,8", cwd=tmp_path)
    assert said.code == 0, said.err
    assert said.out.split("\n")[:2] == ["# The first of 2 runs", "7"]
    assert not list(tmp_path.iterdir())
