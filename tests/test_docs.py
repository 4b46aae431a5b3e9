"""The documentation builds, loads nothing from elsewhere, and what it shows is true."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ablation.predict.__main__ import _parser as parser_of_predict
from ablation.report.__main__ import EVIDENCE, KEYS
from ablation.study import grid
from tests import documents
from tests.conftest import MAIN_COMMAND, ROOT, Study, command

PAGES = {
    str(path.relative_to(ROOT)): path.read_text() for path in sorted((ROOT / "docs").rglob("*.md"))
}
COMMANDS = [(page, line) for page, text in PAGES.items() for line in documents.commands(text)]


def of(program: str) -> list[str]:
    """The commands of all pages that run a program, each once."""
    return list(dict.fromkeys(line for _, line in COMMANDS if shlex.split(line)[:3][-1] == program))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The documentation, built as .ci/run builds it."""
    pytest.importorskip("mkdocs", reason="the extra `docs` is not installed")
    folder = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict"]
    done = subprocess.run(
        [*build, "--site-dir", str(folder)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return folder


def test_the_documentation_builds_without_a_warning(site: Path) -> None:
    assert (site / "index.html").exists()


def test_no_page_loads_anything_from_another_host(site: Path) -> None:
    loads = r"<(?:script|img|link|iframe)\b[^>]*?(?:src|href)=[\"']?((?:https?:)?//[^\"' >]+)"
    for page in site.rglob("*.html"):
        found = set(re.findall(loads, page.read_text()))
        assert not found, page
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(url\(|@import )[\"']?(https?:)?//", sheet.read_text()), sheet


def test_the_api_has_every_package(site: Path) -> None:
    text = "".join(page.read_text() for page in (site / "api").glob("*.html"))
    packages = {path.parent.name for path in (ROOT / "ablation").glob("*/__init__.py")}
    for package in packages:
        assert f'id="ablation.{package}.' in text, package


def test_every_page_is_in_the_navigation() -> None:
    text = (ROOT / "mkdocs.yml").read_text().partition("\nnav:\n")[2].partition("\nvalidation:")[0]

    def paths(entries: object) -> list[str]:
        if isinstance(entries, str):
            return [entries]
        parts = entries.values() if isinstance(entries, dict) else entries
        return [path for part in parts for path in paths(part)]  # type: ignore[attr-defined]

    assert sorted(f"docs/{path}" for path in paths(yaml.safe_load(text))) == sorted(PAGES)


def test_the_network_that_is_added_composes(tmp_path: Path) -> None:
    documents.write_files(PAGES["docs/extending.md"], tmp_path)
    (path,) = tmp_path.glob("my_conf/model/resnet*.yaml")
    word = f"model={path.stem}"
    (run,) = grid.expand([word], multirun=False, config_dir=tmp_path / "my_conf").runs
    assert (run.config.model.name, run.levels["model"]) == (path.stem, path.stem)


def test_the_optimizer_that_is_added_composes(tmp_path: Path) -> None:
    documents.write_files(PAGES["docs/extending.md"], tmp_path)
    words = ["optimizer=lion,adam", "optimizer.betas=[0.8,0.9]"]
    runs = grid.expand(words, multirun=True, config_dir=tmp_path / "my_conf").runs
    assert [run.config.optimizer["_target_"] for run in runs] == [
        "timm.optim.Lion",
        "torch.optim.Adam",
    ]


@pytest.mark.parametrize("line", of("ablation"))
def test_every_command_composes(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    documents.write_files(PAGES["docs/extending.md"], tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    if "--help" not in line:
        assert documents.composed(line).runs


@pytest.mark.parametrize("line", of("ablation.report"))
def test_every_report_command_has_keys_of_a_report(line: str) -> None:
    for word in shlex.split(line)[3:]:
        assert word.startswith((EVIDENCE, *KEYS))


@pytest.mark.parametrize("line", of("ablation.predict"))
def test_every_prediction_names_a_run_and_pictures(line: str) -> None:
    assert parser_of_predict().parse_args(shlex.split(line)[3:]).pictures


@pytest.mark.parametrize("line", [*of("ablation.watch"), *of("ablation.study")])
def test_every_command_on_a_study_is_understood(line: str, tmp_path: Path) -> None:
    module, *words = shlex.split(line)[2:]
    said = command(*words, module=module, cwd=tmp_path)
    assert "usage:" not in said.err
    assert "there is no such file" in said.err


def test_every_other_command_is_known() -> None:
    """A command that no test looks at is found here."""
    checked = {*of("ablation"), *of("ablation.report"), *of("ablation.predict")}
    checked |= {*of("ablation.watch"), *of("ablation.study")}
    others = {line for _, line in COMMANDS} - checked
    assert {line.partition(" ")[0] for line in others} <= {"pip", "mlflow", "python", "ray"}
    modules = {line for line in others if line.startswith("python")}
    assert modules == {
        "python -m tests.studies.calibration", "python -m tests.studies.folds",
        "python -m tests.studies.grids", "python digit.py",
    }  # fmt: skip
    for name in ("calibration", "folds", "grids", "kills"):
        assert (ROOT / "tests" / "studies" / f"{name}.py").exists()


def test_the_first_study_is_done_as_it_says(main_study: Study, tmp_path: Path) -> None:
    """Step by step, from the main command on, in a copy of its folder: a study may be moved."""
    folder = tmp_path / "study"
    shutil.copytree(main_study.folder, folder)
    said = main_study.said.out
    first = f"python -m ablation {' '.join(MAIN_COMMAND)}"
    seen = []
    for block in documents.blocks(PAGES["docs/first-study.md"]):
        if block.language == "python":
            assert block.path is not None
            (folder / block.path).write_text(block.content)
        for line in block.commands:
            seen.append(line)
            words = shlex.split(line)
            if words[0] in ("pip", "mlflow") or (line == first and seen.count(first) == 1):
                continue
            if line.startswith("python -m ablation ") and line != first:
                # As many trainings again would take minutes: only what is asked for is looked at.
                finished = {run.fingerprint for run in documents.composed(first).runs}
                asked = documents.composed(line)
                assert asked.study == "digits-transfer-reg"
                assert len({run.fingerprint for run in asked.runs} - finished) == 12
                continue
            if words[1] == "-m":
                done = command(*words[3:], cwd=folder, module=words[2])
                assert done.code == 0, done.err
                said = done.out
            else:
                subprocess.run([sys.executable, *words[1:]], cwd=folder, check=True)
        if block.language == "text":
            assert documents.lacks(said, block.content) == []
    assert seen.count(first) == 2


def test_quoted_files_hold_what_is_quoted() -> None:
    """Numbers of the calibration are those of its page."""
    measured = (ROOT / "results" / "calibration" / "README.md").read_text()
    quoted = PAGES["docs/statistics.md"].partition("## Do the intervals keep their word?")[2]
    for number in re.findall(r"\d+\.\d to \d+\.\d %", quoted):
        assert number in measured, number


@pytest.mark.parametrize("factor", ["data", "model", "transfer", "reg", "optimizer", "scheduler"])
def test_the_table_of_levels_is_complete(factor: str) -> None:
    row = re.search(rf"^\| `{factor}` \| (.+?) \|", PAGES["docs/factors-and-levels.md"], re.M)
    assert row is not None
    levels = {path.stem for path in (ROOT / "conf" / factor).glob("*.yaml")}
    assert set(re.findall(r"`(\w+)`", row[1])) == levels
