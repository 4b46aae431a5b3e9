"""`python -m ablation.report`: from any folder, with a clear message for each mistake."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests import conftest
from tests.report.made_up import Study, store
from tests.report.reading import run


def test_the_command_works_in_any_folder_from_the_store_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = Study({"transfer": ["full", "scratch"]}, lambda _: 0.9, seeds=(0, 1))
    uri = store(tmp_path / "store", made)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    asked = ["study=made-up", f"tracking.uri={uri}", "report.baseline.transfer=scratch"]
    assert run(monkeypatch, *asked, "results=out") == 0
    said = capsys.readouterr().out
    assert "Report: out/made-up/report.md" in said
    assert "full − scratch" in Path("out/made-up/report.md").read_text()
    assert sorted(path.name for path in Path("out/made-up").iterdir()) == [
        "cells.csv", "contrasts.csv", "evidence.zip", "figures", "report.html", "report.md",
        "runs.csv",
    ]  # fmt: skip


def test_the_command_says_by_its_exit_code_that_runs_are_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Study({"reg": ["l1", "l2"]}, lambda _: 0.9, lost=lambda cell, _: cell["reg"] == "l2")
    uri = store(tmp_path, made)
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, "study=made-up", f"tracking.uri={uri}") == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["study=other", "tracking.uri={uri}"], "has no such study; it has made-up"),
        (["tracking.uri={uri}"], "study is not set"),
        ([], "study is not set"),
        (["study=made-up", "--multirun"], "unrecognized arguments: --multirun"),
        (["study=made-up", "report.nuisanse=[]"], "did you mean report.nuisance?"),
        (["study=made-up", "tracking.uri=sqlite:///nowhere.db"], "there is no such file"),
        (["study=made-up", "report.difference=2"], "report.difference=2.0: must be"),
    ],
)
def test_a_mistake_in_the_command_gets_one_clear_message(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
) -> None:
    uri = store(tmp_path, Study({"reg": ["l1", "l2"]}, lambda _: 0.9))
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, *(text.format(uri=uri) for text in arguments)) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert words in said
    assert not (tmp_path / "nowhere.db").exists()


def test_help_and_a_mistake_are_answered_without_loading_mlflow_or_torch(tmp_path: Path) -> None:
    said = conftest.command("--help", cwd=tmp_path, module="ablation.report")
    assert said.code == 0
    assert "study=NAME" in said.out
    probe = (
        "import sys; sys.argv = ['x', 'study=a', 'epoch=1']\n"
        "from ablation.report.__main__ import main\n"
        "try: main()\n"
        "except SystemExit as e: print(e.code, [m for m in ('torch', 'mlflow', 'pandas') "
        "if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "1 []"
    assert "it takes study, report.baseline" in done.stderr
