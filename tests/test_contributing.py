"""CONTRIBUTING.md is true: what it shows is done word by word."""

import ast
import inspect
import re
import shlex
import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml

from ablation.report.evidence import integrity
from ablation.report.pages import compose, figures
from tests import documents
from tests.conftest import ROOT, command
from tests.test_architecture import ROOMS

TEXT = (ROOT / "CONTRIBUTING.md").read_text()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the code and its config files, to be added to."""
    for name in ("ablation", "conf"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def follow(text: str, checkout: Path) -> str:
    """Do what a text says: write its files, run its commands, and compare what they print.

    Returns:
        The path of the last report that was written.
    """
    said, report = "", ""
    for block in documents.blocks(text):
        if block.language == "yaml":
            assert block.path, f"no file is named before\n{block.content}"
            assert not (checkout / block.path).exists()
            (checkout / block.path).parent.mkdir(exist_ok=True)
            (checkout / block.path).write_text(block.content)
        elif block.language == "console":
            (line,) = block.commands
            python, module, program, *arguments = shlex.split(line)
            assert (python, module, program) == ("python", "-m", "ablation")
            done = command(*arguments, cwd=checkout, from_nothing=True)
            assert done.code == 0, done.err
            said = done.out
        elif block.language == "text":
            assert documents.lacks(said, block.content) == []
            report = (re.findall(r"^Report: (.+)$", block.content, re.M) or [report])[-1]
    return report


@pytest.mark.parametrize(
    ("title", "factor", "levels"),
    [("Add a level", "reg", ["l1", "gentle"]), ("Add a factor", "crops", ["gentle", "strong"])],
)
def test_a_level_and_a_factor_are_added_as_it_says(
    title: str, factor: str, levels: list[str], checkout: Path
) -> None:
    report = checkout / follow(documents.section(TEXT, title), checkout)
    cells = pd.read_csv(report.with_name("cells.csv"))
    assert list(cells[factor].sort_values()) == sorted(levels)
    runs = pd.read_csv(report.with_name("runs.csv"))
    assert set(runs[factor]) == set(levels)


def test_the_copy_of_the_code_is_what_ran(checkout: Path) -> None:
    (checkout / "ablation" / "__main__.py").write_text("print('the copy')\n")
    assert command(cwd=checkout, from_nothing=True).out == "the copy\n"


def test_the_house_is_drawn_as_it_is() -> None:
    (drawn,) = [
        block.content
        for block in documents.blocks(documents.section(TEXT, "Where what lives"))
        if block.language == "text"
    ]
    lines = [re.split(r"\s{2,}", line)[0].split() for line in drawn.splitlines()]
    assert len(lines) == 12
    shown = [name.strip("/").replace("/", ".") for line in lines for name in line]
    shown = [f"report.{name}" if name in ("claims", "pages") else name for name in shown]
    assert shown == [room for rooms in ROOMS for room in rooms if room != "report"]


def test_every_file_that_it_names_is_there() -> None:
    added = {str(block.path) for block in documents.blocks(TEXT)}
    for path in re.findall(r"`((?:ablation|conf|tests|docs|results)/[\w/.]*)`", TEXT):
        assert path in added or (ROOT / path).exists(), path
    for name, path in re.findall(r"`(\w+)` in `(ablation/[\w/]+\.py)`", TEXT):
        names = {getattr(node, "name", "") for node in ast.parse((ROOT / path).read_text()).body}
        assert name in names, f"{path} has no {name}"


def example(title: str) -> str:
    """The code that a section shows."""
    blocks = documents.blocks(documents.section(TEXT, title))
    (code,) = [block.content for block in blocks if block.language == "python"]
    return code


def test_the_check_that_it_shows_works() -> None:
    space = dict(vars(integrity))
    exec(example("Add a check of the runs"), space)
    table = pd.DataFrame(
        {"name": ["a", "b", "c"], "metrics.best_epoch": [1, 6, None], "params.epochs": ["5"] * 3}
    )
    found = space["best_epoch_was_trained"](table)
    assert (found.n_checked, found.n_concerned) == (2, 3)
    assert found.breaches == ("the best epoch was never trained: b",)
    listed = inspect.getsource(integrity.check)
    assert "frozen_stayed(table)" in listed


def test_the_figure_that_it_shows_fits_its_module() -> None:
    code = ast.parse(example("Add a figure to the report"))
    loaded = {
        n.id for n in ast.walk(code) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)
    }
    local = {
        n.id for n in ast.walk(code) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    }
    arguments = {n.arg for n in ast.walk(code) if isinstance(n, ast.arg)}
    assert loaded - local - arguments - {"len"} <= set(vars(figures))
    (call,) = [
        n
        for n in ast.walk(code)
        if isinstance(n, ast.Call) and getattr(n.func, "id", "") == "PlannedFigure"
    ]
    assert len(call.args) == len(figures.PlannedFigure.__dataclass_fields__)
    sections = set(re.findall(r'of_groups\(".+?", \w+, "(\w+)"\)', inspect.getsource(compose)))
    named = re.search(r"show figures are named in\n`[\w/.]+`: (.+?)\. ", TEXT, re.S)
    assert named is not None
    assert set(re.findall(r"`(\w+)`", named[1])) == sections
    assert "yield from _of_ranking(group)" in inspect.getsource(figures.plan)


def ci_lines() -> list[str]:
    """What .ci/run does after its installation."""
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    return lines[[line.startswith("pip install") for line in lines].index(True) + 1 :]


def test_the_hooks_run_what_ci_runs() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [repository["repo"] for repository in hooks] == ["local"]
    assert {hook["language"] for hook in hooks[0]["hooks"]} == {"system"}
    entries = [hook["entry"] for hook in hooks[0]["hooks"]]
    *checks, documentation, tests = ci_lines()
    assert entries == checks
    assert documentation.startswith("mkdocs build")
    assert tests == "pytest -n 2"


def test_its_checks_are_those_of_ci() -> None:
    section = documents.section(TEXT, "Check style and types, build the documentation")
    *checks, documentation = documents.commands(section)
    assert checks == ci_lines()[:-2]
    assert set(documentation.split()) <= set(ci_lines()[-2].split())
    assert ci_lines()[-1] in documents.commands(documents.section(TEXT, "Test"))


def test_the_changelog_has_the_version_of_the_package() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    headings = re.findall(r"^## (.+)$", text, re.M)
    assert headings[0] == "Unreleased"
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.M)
    assert version is not None
    assert headings[1].startswith(f"{version[1]} – ")
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert set(re.findall(r"^### (.+)$", text, re.M)) <= kinds
