"""The README's commands work and its output is real."""

import re
import shlex

import pytest

from ablation.study import grid
from tests.conftest import ROOT, Study

TEXT = (ROOT / "README.md").read_text()
COMMANDS = re.findall(r"^\$ (.+)$", TEXT, re.M)


@pytest.mark.parametrize("line", [c for c in COMMANDS if c.startswith("python -m ablation ")])
def test_every_command_composes(line: str) -> None:
    arguments = shlex.split(line)[3:]
    overrides = [argument for argument in arguments if argument != "-m"]
    asked = grid.expand(overrides, multirun="-m" in arguments)
    assert len(asked.runs) > 1


@pytest.mark.parametrize("row", re.findall(r"^\| .+\? \| `(.+)` \|$", TEXT, re.M))
def test_every_answer_composes(row: str) -> None:
    assert grid.expand(shlex.split(row), multirun=True).runs


def test_the_first_commands_are_those_that_the_tests_run(main_study: Study) -> None:
    assert COMMANDS[0] == "pip install -c constraints.txt -e ."
    assert COMMANDS[1] == "python -m ablation -m transfer=full,frozen,scratch reg=l1,l2"
    assert main_study.said.code == 0
    assert "pip install -c constraints.txt -e '.[test]' && pytest" in COMMANDS
    ci = (ROOT / ".ci" / "run").read_text()
    assert "pip install --quiet -c constraints.txt -e '.[test]'" in ci


def test_its_output_is_of_the_kind_that_the_command_prints(main_study: Study) -> None:
    """Digits differ between kinds of processors; the lines and their order don't."""
    shown = re.search(r"```text\n(.+?)```", TEXT, re.S)
    assert shown is not None
    said = {re.sub(r"[\d.+-]+", "0", line.rstrip()) for line in main_study.said.out.splitlines()}
    for line in shown[1].splitlines():
        kind = re.sub(r"[\d.+-]+", "0", line.rstrip())
        if (
            "left" not in line
            and "significant" not in line
            and "no evidence" not in line
            and line != "…"
        ):
            assert kind in said, line


def test_every_link_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", TEXT):
        assert target.startswith("http") or (ROOT / target).exists(), target
