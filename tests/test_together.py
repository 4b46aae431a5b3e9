"""Commands that work on one study at the same time: each run is trained once."""

import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from ablation.tracking import claims, origin, store
from ablation.tracking.store import Identity

GRID = [
    *("-m", "transfer=frozen,scratch", "reg=l1,l2", "epochs=1"),
    *("data.train_pictures=24", "data.val_pictures=20", "data.size=32"),
]
STUDY = "digits-transfer-reg"


def started(folder: Path, *words: str) -> "subprocess.Popen[str]":
    env = {**os.environ, "COLUMNS": "100", "PYTHONWARNINGS": "ignore"}
    env.pop("MLFLOW_TRACKING_URI", None)
    return subprocess.Popen(
        [sys.executable, "-m", "ablation", *words],
        cwd=folder,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def runs(folder: Path) -> list[Run]:
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name(STUDY)
    return list(client.search_runs([experiment.experiment_id])) if experiment else []


def test_two_identical_commands_on_a_cold_store_train_each_run_once(tmp_path: Path) -> None:
    both = [started(tmp_path, *GRID) for _ in range(2)]
    said = [one.communicate(timeout=300)[0] for one in both]
    assert [one.returncode for one in both] == [0, 0], "\n".join(said)
    found = runs(tmp_path)
    assert Counter(run.info.status for run in found) == {"FINISHED": 4}
    assert len({run.data.tags["fingerprint"] for run in found}) == 4
    assert "Traceback" not in "".join(said)


def finished_after_a_kill(
    folder: Path, first_words: list[str], second_words: list[str], wanted: str
) -> list[str]:
    """The names of the runs that finish where a command is killed in its first one.

    Args:
        folder: of both commands.
        first_words: of the one that is killed.
        second_words: of the one that starts while the first trains.
        wanted: what the second says before the first is killed.
    """
    store.connect(f"sqlite:///{folder / 'mlflow.db'}")
    first = started(folder, *GRID, *first_words, f"study={STUDY}")
    while not any(run.info.status == "RUNNING" for run in runs(folder)):
        time.sleep(0.2)
        assert first.poll() is None
    second = started(folder, *GRID, *second_words, f"study={STUDY}")
    assert second.stdout is not None
    heard = ""
    while wanted not in heard:
        heard += second.stdout.readline()
        assert second.poll() is None, heard
    first.kill()
    first.wait()
    said, _ = second.communicate(timeout=300)
    assert second.returncode == 0, said
    return sorted(run.info.run_name for run in runs(folder) if run.info.status == "FINISHED")


def test_a_run_of_a_command_that_is_killed_is_trained_by_the_one_that_waits(tmp_path: Path) -> None:
    # From scratch, so that the first run takes longer than it takes the other command to start.
    first = ["transfer=scratch,frozen", "epochs=50"]
    # It asks for that run alone, and so has to wait.
    second = ["transfer=scratch", "reg=l1", "epochs=50"]
    done = finished_after_a_kill(tmp_path, first, second, "waiting for 1 run")
    assert done == ["scratch-l1-adam-s0"]


def test_a_run_that_was_left_to_a_command_which_is_killed_is_trained_at_the_end(
    tmp_path: Path,
) -> None:
    first = ["epochs=50", "reg=l1", "transfer=scratch"]
    second = ["epochs=50", "reg=l1", "transfer=scratch,frozen"]
    done = finished_after_a_kill(tmp_path, first, second, "is being trained by another command")
    assert done == ["frozen-s0", "scratch-s0"]


@pytest.fixture
def study(tmp_path: Path) -> store.Study:
    return store.open_study(store.connect(f"sqlite:///{tmp_path / 'mlflow.db'}"), "s")


SAME = Identity("f", "d", "w")


def test_a_run_that_another_process_holds_is_left_to_it(study: store.Study) -> None:
    mine = claims.take(study, "run", SAME, rerun=False)
    assert mine.run_id
    study.client.set_tag(mine.run_id, claims.CLAIM, claims.HELD)
    assert claims.take(study, "run", SAME, rerun=False) == claims.Claim()
    (left,) = store.search(study.client, study.experiment_id)
    assert left.info.run_id == mine.run_id


def test_a_run_that_has_finished_meanwhile_is_not_trained_again(study: store.Study) -> None:
    mine = claims.take(study, "run", SAME, rerun=False)
    assert mine.run_id
    study.client.log_metric(mine.run_id, "best_val_accuracy", 0.75)
    study.client.set_terminated(mine.run_id, "FINISHED")
    assert claims.take(study, "run", SAME, rerun=False) == claims.Claim(finished=0.75)
    assert claims.take(study, "run", SAME, rerun=True).run_id not in (None, mine.run_id)


@pytest.mark.parametrize(
    ("tags", "is_alive"),
    [
        ({}, True),
        ({"host": "another", "heartbeat": "now"}, True),
        ({"host": "another", "heartbeat": "long ago"}, False),
        ({"processes": "pid:[1]", "heartbeat": "now"}, True),
        ({"processes": "pid:[1]", "heartbeat": "long ago"}, False),
        ({"boot": "before"}, False),
        ({"process": "1@0.00"}, False),
    ],
)
def test_an_owner_is_known_to_be_dead(tags: dict[str, str], is_alive: bool) -> None:
    beats = {"now": f"{time.time():.0f}", "long ago": f"{time.time() - 400:.0f}"}
    found = origin.tags_of_origin() | tags
    found["heartbeat"] = beats.get(found["heartbeat"], found["heartbeat"])
    assert origin.is_alive(found) == is_alive


def test_a_claim_of_a_dead_owner_counts_for_nothing(study: store.Study) -> None:
    mine = claims.take(study, "run", SAME, rerun=False)
    assert mine.run_id
    study.client.set_tag(mine.run_id, "process", "1@0.00")
    assert claims.take(study, "run", SAME, rerun=False).run_id
