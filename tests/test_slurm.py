"""Jobs of a scheduler that have a time limit: what they train goes on in the next job."""

import importlib.util
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from tests import slurm
from tests.conftest import command

pytestmark = [
    pytest.mark.skipif(
        not importlib.util.find_spec("submitit"), reason="the extra `slurm` is not installed"
    ),
    # Five processes start, one after another.
    pytest.mark.timeout(1200),
]

FEW = ["data.train_pictures=24", "data.val_pictures=20", "data.size=32", "threads=1", "study=s"]
GRID = ["-m", "transfer=scratch", "reg=l1,l2", "epochs=4", *FEW]
SLURM = [
    "hydra/launcher=submitit_slurm",
    *("hydra.launcher.partition=cpu", "hydra.launcher.timeout_min=7"),
    "hydra.launcher.array_parallelism=2",
]


def runs(folder: Path) -> list[Run]:
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("s")
    assert experiment is not None
    order = ["attributes.start_time ASC"]
    return list(client.search_runs([experiment.experiment_id], order_by=order))


def history(folder: Path, run: Run, metric: str) -> list[float]:
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    return [row.value for row in client.get_metric_history(run.info.run_id, metric)]


def finished(folder: Path) -> dict[str, Run]:
    """The finished runs by their names; each has finished once."""
    found = [run for run in runs(folder) if run.info.status == "FINISHED"]
    named = {run.info.run_name: run for run in found}
    assert len(named) == len(found)
    return named


def assert_equal(one: Path, other: Path) -> None:
    """The runs of two folders are the same, and equal to the digit."""
    expected, found = finished(one), finished(other)
    assert set(expected) == set(found)
    for name, run in expected.items():
        for metric in ("train/loss", "val/loss", "val/accuracy", "best_val_accuracy"):
            assert history(one, run, metric) == history(other, found[name], metric), name


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same study without a launcher."""
    folder = tmp_path_factory.mktemp("undisturbed")
    said = command(*GRID, cwd=folder)
    assert said.code == 0, said.err
    return folder


def test_a_job_that_meets_its_time_limit_loses_nothing_and_does_nothing_twice(
    undisturbed: Path, tmp_path: Path
) -> None:
    env = slurm.installed(tmp_path / "slurm", "l1-.*epoch 2/4")
    said = command(*GRID, *SLURM, cwd=tmp_path, env=env)
    jobs = tmp_path / "slurm" / "jobs"
    asked = (jobs / "1.sh").read_text()
    for word in ("--array=0-1%2", "--partition=cpu", "--time=7", "--signal=USR2@120"):
        assert f"#SBATCH {word}\n" in asked
    told = said.out + said.err + "".join(file.read_text() for file in tmp_path.rglob("*_log.*"))
    assert said.code == 0, told
    assert "Traceback" not in told
    assert (tmp_path / "results" / "s" / "report.md").exists()
    assert (jobs / "1_0.log").read_text() == "node0-1_0 REQUEUED\nnode1-1_0 COMPLETED\n"
    assert (jobs / "1_1.log").read_text() == "node0-1_1 COMPLETED\n"
    (killed,) = [run for run in runs(tmp_path) if run.info.status != "FINISHED"]
    assert killed.info.status == "KILLED"
    assert killed.data.tags["error"] == "the time of its job was up"
    again = finished(tmp_path)[killed.info.run_name]
    before = history(tmp_path, killed, "epoch_seconds")
    # Not trained again: even how long each epoch took is that of the first job.
    assert len(before) >= 2
    assert history(tmp_path, again, "epoch_seconds")[: len(before)] == before
    assert_equal(undisturbed, tmp_path)


def test_runs_of_jobs_on_this_machine_are_equal_to_the_digit(
    undisturbed: Path, tmp_path: Path
) -> None:
    said = command(*GRID, "hydra/launcher=submitit_local", cwd=tmp_path)
    assert said.code == 0, said.out + said.err
    assert "Report: results/s/report.md" in said.out
    assert_equal(undisturbed, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_time_limit_of_two_minutes(tmp_path: Path) -> None:
    """Submitit gives notice half a minute before the end, and has four starts for a job."""
    longer = ["data.train_pictures=200", "data.val_pictures=40", "data.size=64", "epochs=30"]
    words = ["-m", "transfer=scratch", "reg=l1", "threads=1", "study=s", *longer]
    alone, limited = tmp_path / "alone", tmp_path / "limited"
    for folder in (alone, limited):
        folder.mkdir()
    said = command(*words, cwd=alone)
    assert said.code == 0, said.err
    local = ["hydra/launcher=submitit_local", "hydra.launcher.timeout_min=2"]
    said = command(*words, *local, cwd=limited)
    assert said.code == 0, said.out + said.err
    killed = [run for run in runs(limited) if run.info.status == "KILLED"]
    assert killed
    assert {run.data.tags["error"] for run in killed} == {"the time of its job was up"}
    assert_equal(alone, limited)
