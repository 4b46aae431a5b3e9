"""Places that can't be written to are told at once, and places of any name are used."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ablation.errors import ConfigError
from ablation.tracking import places
from tests.conftest import command, command_and_imports

FEW = ["data.train_pictures=24", "data.val_pictures=20", "data.size=32", "epochs=1"]

ODD = ["größe", "a b,c=d", "it's", "[x] {y} (z)", "$HOME", "#1 & 2?", "-m", "📷"]


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["results=/proc/here"], "results=/proc/here: "),
        (["results=/dev/null"], "results=/dev/null: "),
        (["tracking.uri=sqlite:////proc/here.db"], "tracking.uri=sqlite:////proc/here.db: "),
        (["tracking.uri=sqlite:////nothere/x.db"], "there is no such folder"),
        (["tracking.uri=sqlite:////dev/null/x.db"], "there is no such folder"),
    ],
)
def test_a_place_that_cannot_be_written_to_is_told_at_once(
    words: list[str], answer: str, tmp_path: Path
) -> None:
    said = command_and_imports(*words, cwd=tmp_path)
    assert said.code == 1
    assert answer in said.err
    assert len(said.err.splitlines()) == 1
    assert said.out == "HEAVY set()\n"
    assert not list(tmp_path.iterdir())


def test_a_working_folder_that_cannot_be_written_to_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/proc/self")
    with pytest.raises(ConfigError, match=r"results=results: the report can't be written to /proc"):
        places.check_results("results", "digits")
    with pytest.raises(ConfigError, match=r"tracking\.uri=sqlite:///mlflow\.db: the MLflow store"):
        places.check_store("sqlite:///mlflow.db")
    monkeypatch.chdir(tmp_path)
    places.check_results("results", "digits")
    places.check_store("sqlite:///mlflow.db")
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with open("/dev/full", "wb", buffering=0) as full:  # every write finds no room
        monkeypatch.setattr(places.tempfile, "TemporaryFile", lambda dir: full)
        with pytest.raises(ConfigError, match="No space left on device"):
            places.check_results("results", "digits")


def test_a_report_that_cannot_be_written_loses_no_run(tmp_path: Path) -> None:
    # The pages' folder is taken by a file while the runs are trained.
    taken = tmp_path / "results" / "digits" / "figures"
    taken.parent.mkdir(parents=True)
    taken.write_text("")
    said = command("-m", "transfer=frozen", "seed=1,2", *FEW, cwd=tmp_path)
    assert said.code == 1
    assert "run 2 of 2" in said.out
    assert said.err.startswith("error: the report could not be written (")
    assert "`python -m ablation.report study=digits`" in said.err
    assert len(said.err.splitlines()) == 1
    taken.unlink()
    again = command("study=digits", cwd=tmp_path, module="ablation.report")
    assert again.code == 0, again.err
    assert (taken.parent / "report.md").stat().st_size > 0


@pytest.mark.parametrize("name", ODD)
def test_a_folder_of_pictures_may_have_any_name(
    name: str, make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    from ablation.study import grid, overrides

    make_folder({"train": 2, "val": 2}, tmp_path / name)
    words = ["data=imagefolder", f"data.root={overrides.quoted(str(tmp_path / name))}"]
    (run,) = grid.expand(words, multirun=False).runs
    assert run.config.data.root == str(tmp_path / name)


def test_a_study_runs_where_every_name_is_odd(
    make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    folder = tmp_path / "größe =,[x] $a 📷"
    make_folder({"train": 2, "val": 2}, folder / "Gemälde 1=2")
    words = ["data=imagefolder", "data.root=Gemälde 1=2", "transfer=frozen", "seed=1,2"]
    said = command("-m", *words, "data.size=32", "epochs=1", "results=Öl", cwd=folder)
    assert said.code == 0, said.err
    assert said.out.startswith("Gemälde 1=2: 4 pictures to train, 4 to validate, 2 classes\n")
    assert said.out.splitlines()[-1] == "Report: Öl/Gemälde 1_2/report.md"
    again = command("-m", *words, "data.size=32", "epochs=1", "results=Öl", cwd=folder)
    assert again.out.count("had finished before") == 2
    report = command("study=Gemälde 1_2", "results=ö", cwd=folder, module="ablation.report")
    assert report.code == 0, report.err
    assert (folder / "ö" / "Gemälde 1_2" / "report.md").is_file()
