"""What the framework uses of Hydra beyond its documented interface is as it was.

When one of these fails after an update of Hydra, its message names what has changed, and
`ablation/study/hydra_insides.py` is the file to adapt.
"""

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from hydra.errors import HydraException

from ablation import config
from ablation.process import WANTS_TRACEBACK
from ablation.study import hydra_insides


def test_an_override_has_a_key_a_text_and_a_value() -> None:
    item = hydra_insides.parse_override("+optimizer.lr=1e-3,1")
    assert hydra_insides.key_of(item) == "optimizer.lr", "Override.get_key_element has changed"
    assert hydra_insides.text_of(item) == "+optimizer.lr=1e-3,1", "Override.input_line has changed"
    assert item.is_sweep_override(), "Override.is_sweep_override has changed"
    assert item.is_discrete_sweep(), "Override.is_discrete_sweep has changed"
    assert list(item.sweep_string_iterator()) == ["0.001", "1"], (
        "Override.sweep_string_iterator gives other texts: runs would be composed of other values"
    )
    one = hydra_insides.parse_override("seed=3")
    assert one.value() == 3, "Override.value has changed"
    assert one.get_value_element_as_str() == "3", "Override.get_value_element_as_str has changed"


@pytest.mark.parametrize(("word", "changes"), [("a=1", True), ("+a=1", False), ("~a", False)])
def test_an_override_changes_adds_or_deletes(word: str, changes: bool) -> None:
    item = hydra_insides.parse_override(word)
    assert hydra_insides.is_change(item) == changes, "OverrideType has changed"
    assert item.is_delete() == (word == "~a"), "Override.is_delete has changed"


def test_functions_of_the_grammar_have_their_types() -> None:
    pattern: object = hydra_insides.parse_override("reg=glob(l*)").value()
    assert isinstance(pattern, hydra_insides.Glob), "glob(…) is no Glob any more"
    assert pattern.filter(["l1", "none"]) == ["l1"], "Glob.filter has changed"
    interval: object = hydra_insides.parse_override("a=interval(0,1)").value()
    assert isinstance(interval, hydra_insides.IntervalSweep), "interval(…) is no IntervalSweep"
    assert (interval.start, interval.end) == (0, 1), "IntervalSweep.start and .end have changed"


def test_what_cannot_be_read_is_a_hydra_exception() -> None:
    with pytest.raises(HydraException):
        hydra_insides.parse_override("größe=1")


def test_a_text_is_quoted_as_the_grammar_wants_it() -> None:
    quoted = hydra_insides.with_quotes('a "b", \\c')
    assert quoted == '"a \\"b\\", \\c"', "QuotedString.with_quotes has changed"
    assert hydra_insides.parse_override(f"a={quoted}").value() == 'a "b", \\c'


def test_config_groups_have_levels() -> None:
    config.register()
    with hydra_insides.config_files(config.folder()):
        levels = hydra_insides.levels_of("reg", ())
        none = hydra_insides.levels_of("nothere", ())
        composed = hydra_insides.composed(["reg=l1"])
    changed = "GlobalHydra's config loader, or its get_group_options, has changed"
    assert sorted(levels) == ["elastic", "l1", "l2", "l2sp", "none"], changed
    assert none == [], changed
    choices = composed.hydra.runtime.choices
    assert choices["reg"] == "l1", "Hydra records the chosen levels in another place"
    launcher, sweeper = composed.hydra.launcher._target_, composed.hydra.sweeper._target_
    assert launcher.endswith(hydra_insides.BASIC_LAUNCHER), f"Hydra's launcher is {launcher} now"
    assert sweeper.endswith(hydra_insides.BASIC_SWEEPER), f"Hydra's sweeper is {sweeper} now"


def test_flags_are_read_without_an_exit() -> None:
    parser = hydra_insides.arguments_parser()
    parsed, unknown = parser.parse_known_intermixed_args(["a=1", "-m", "b=2", "--nothere"])
    changed = "hydra._internal.utils.get_args_parser has changed"
    assert (parsed.overrides, parsed.multirun, unknown) == (["a=1", "b=2"], True, ["--nothere"]), (
        changed
    )


class StopError(Exception):
    """Raised by a task: Hydra must hand it on."""


def start(task: Any, arguments: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["ablation"])
    monkeypatch.setenv(WANTS_TRACEBACK, os.environ.get(WANTS_TRACEBACK, ""))
    config.register()
    hydra_insides.run(task, arguments, config.folder())


def test_hydra_runs_the_task_for_each_run_and_says_which_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def task(composed: Any) -> None:
        job = hydra_insides.job()
        seen.append((composed.seed, job.number, job.overrides, job.choices["reg"]))

    words = ["study=s", "reg=l1", "seed=7,8", "hydra.job.name=x"]
    start(task, ["--multirun", *words], tmp_path, monkeypatch)
    assert seen == [
        (7, 0, ("study=s", "reg=l1", "seed=7"), "l1"),
        (8, 1, ("study=s", "reg=l1", "seed=8"), "l1"),
    ], "Hydra numbers its runs, or lists their overrides, in another way"
    seen.clear()
    start(task, ["study=s", "seed=7"], tmp_path, monkeypatch)
    assert seen == [(7, 0, ("study=s", "seed=7"), "none")], "a single run has another number"


def test_an_error_of_a_run_is_raised_and_not_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def task(composed: Any) -> None:
        raise StopError

    with pytest.raises(StopError):
        start(task, ["study=s"], tmp_path, monkeypatch)
    said = capsys.readouterr()
    assert "Traceback" not in said.out + said.err, f"{WANTS_TRACEBACK} has another effect"
