"""A finished study whose pictures have moved, and the command that predicts them."""

import shutil
import sys

import pytest
from mlflow import MlflowClient

from ablation.predict.__main__ import main
from tests.conftest import command, paint
from tests.predict.made_up import SWEEP, Call, Trained


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Six runs on blue and red pictures; the folder that they were trained from is gone."""
    folder, pictures = tmp_path_factory.mktemp("trained"), tmp_path_factory.mktemp("pictures")
    for part, count in (("train", 8), ("val", 6)):
        for name, colour in (("blue", (90, 90, 160)), ("red", (160, 90, 90))):
            for index in range(count):
                seed = len(part) * 100 + 2 * index + (name == "red")
                size = (40, 50 + index) if index % 2 else (70 + index, 45)
                paint(pictures / part / name / f"{index:02}.png", colour, seed, size)
    said = command(
        "-m",
        *SWEEP,
        "study=colours",
        "data=imagefolder",
        f"data.root={pictures}",
        "data.size=64",
        "epochs=1",
        "batch_size=8",
        cwd=folder,
    )
    assert said.code == 0, said.err
    moved = tmp_path_factory.mktemp("moved") / "val"
    (pictures / "val").rename(moved)
    shutil.rmtree(pictures)
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("colours")
    assert experiment is not None
    runs = {}
    for run in client.search_runs([experiment.experiment_id]):
        is_still = run.data.params["transfer.freeze_statistics"] == "True"
        runs[f"{run.data.params['transfer']}-{'still' if is_still else 'moving'}"] = run
    return Trained(folder, moved, runs)


@pytest.fixture
def call(
    trained: Trained, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Call:
    """The command in this process: its exit code, what it printed, what it complained of."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["predict", *arguments, "--tracking-uri", trained.uri])
        monkeypatch.setenv("COLUMNS", "1000")
        code = 0
        try:
            main()
        except SystemExit as stopped:
            code = int(stopped.code or 0)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run
