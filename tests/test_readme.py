"""The README's commands work and its output is real."""

import re
import shlex
from pathlib import Path

import pytest

from ablation.study import grid
from tests import documents
from tests.conftest import ROOT, Study

TEXT = (ROOT / "README.md").read_text()
COMMANDS = documents.commands(TEXT)


@pytest.mark.parametrize("line", [c for c in COMMANDS if c.startswith("python -m ablation ")])
def test_every_command_composes(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    documents.write_files(TEXT, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    assert len(documents.composed(line).runs) > 1


@pytest.mark.parametrize("row", re.findall(r"^\| .+\? \| `(.+)` \|$", TEXT, re.M))
def test_every_answer_composes(row: str) -> None:
    assert grid.expand(shlex.split(row), multirun=True).runs


def test_the_first_commands_are_those_that_the_tests_run(main_study: Study) -> None:
    assert COMMANDS[0] == "pip install -c constraints.txt -e ."
    assert COMMANDS[1] == "python -m ablation -m transfer=full,frozen,scratch reg=l1,l2"
    assert main_study.said.code == 0
    assert "pip install -c constraints.txt -e '.[test,docs]' && pytest -n 2" in COMMANDS
    ci = (ROOT / ".ci" / "run").read_text().splitlines()
    assert "pip install --quiet -c constraints.txt -e '.[test,docs]'" in ci
    assert ci[-1] == "pytest -n 2"


def test_its_output_is_of_the_kind_that_the_command_prints(main_study: Study) -> None:
    """Digits differ between kinds of processors; the lines and their order don't."""
    shown = re.search(r"```text\n(.+?)```", TEXT, re.S)
    assert shown is not None
    assert documents.lacks(main_study.said.out, shown[1]) == []


def test_every_link_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", TEXT):
        assert target.startswith("http") or (ROOT / target).exists(), target
