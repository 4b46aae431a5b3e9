"""What a worker shows and which variables it has."""

import os
from concurrent.futures import Future
from pathlib import Path

import pytest

from ablation.launchers.worker import Place, passed, work


class Lines:
    """A queue as Ray's."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self.actor = self.put_nowait = self

    def remote(self, line: str) -> "Lines":
        self.found.append(line)
        return self

    def future(self) -> "Future[None]":
        done: Future[None] = Future()
        done.set_result(None)
        return done


def test_what_a_run_prints_is_handed_on_line_by_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(Path.cwd())
    monkeypatch.setattr("ablation.process.stop_on_signals", lambda *names: None)
    monkeypatch.setattr("signal.signal", lambda *args: None)
    monkeypatch.setenv("ABLATION_RUNS", "1")

    def order() -> str:
        print("run 1", end="")
        print(" of 4\nrun 2")
        print("no end", end="")
        return f"{Path.cwd()} {os.environ['ABLATION_RUNS']}"

    lines = Lines()
    result = work(order, Place(str(tmp_path), {"ABLATION_RUNS": "4"}), lines)
    assert result == f"{tmp_path} 4"
    assert lines.found == ["run 1 of 4", "run 2", "no end"]
    assert capsys.readouterr().out == ""


def test_only_variables_of_the_training_are_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"ABLATION_CACHE": "/c", "MLFLOW_TRACKING_URI": "sqlite:///m.db", "SECRET": "s"}
    for key, value in given.items():
        monkeypatch.setenv(key, value)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("ABLATION_THREADS", "3")
    found = passed()
    assert {"ABLATION_CACHE", "MLFLOW_TRACKING_URI"} <= found.keys()
    assert not {"SECRET", "PATH", "HOME"} & found.keys()
    # Ray would set it otherwise, and the number of threads decides the last digits.
    assert found["OMP_NUM_THREADS"] == "3"
