"""What the runs of one process share."""

import pickle
from dataclasses import dataclass, field
from typing import Any

import cloudpickle
import pytest
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from rich.console import Console

from ablation import config, session
from ablation.progress import Progress
from ablation.session import Session
from ablation.study import grid
from ablation.study.grid import AskedRun, Grid
from ablation.tracking import store
from ablation.tracking.store import Study
from ablation.training import run
from ablation.training.cache import Cache
from ablation.training.run import Outcome


@dataclass
class Training:
    """Stands in for `training.run.train`, and keeps what it was given."""

    asked: list[AskedRun] = field(default_factory=list)
    caches: list[Cache] = field(default_factory=list)

    def __call__(self, asked: AskedRun, study: Study, cache: Cache, *_: Any) -> Outcome:
        self.asked.append(asked)
        self.caches.append(cache)
        return Outcome(asked.name, "finished", 0.5)


@pytest.fixture
def training(monkeypatch: pytest.MonkeyPatch) -> Training:
    made = Training()
    monkeypatch.setattr(run, "train", made)
    monkeypatch.setattr(store, "connect", lambda uri: None)
    monkeypatch.setattr(store, "open_study", lambda client, name, *rest: Study(client, "1"))
    return made


def composed(asked: Grid, number: int, job: int | None = None) -> DictConfig:
    """What Hydra hands to the task of a run, after it has set its own state.

    Args:
        number: of the run in the grid.
        job: the number that Hydra gives it, where that is another.
    """
    words = [word for word in asked.runs[number].overrides if not word.startswith("hydra")]
    words.append(f"hydra.job.num={number if job is None else job}")
    config.register()
    with initialize_config_dir(str(config.folder()), version_base="1.3"):
        whole = compose("config", words, return_hydra_config=True)
    HydraConfig.instance().set_config(whole)
    return config.visible(whole)


def test_the_process_of_the_command_trains_the_runs_of_its_grid(training: Training) -> None:
    asked = grid.expand(["reg=l1,l2", "cache.memory_gb=0.5"], multirun=True)
    with Progress(Console(), asked.study, asked.n_runs) as progress:
        own = Session(progress)
        assert own.run(asked.runs[0]) == 0.5
        own.run_all(asked.runs[1:])
    assert all(one is other for one, other in zip(training.asked, asked.runs, strict=True))
    first, second = training.caches
    assert first is second
    assert first.limit_bytes == 0.5e9


def test_a_worker_makes_its_run_and_keeps_its_cache(training: Training) -> None:
    asked = grid.expand(["reg=l1,l2"], multirun=True)
    for number in (0, 1):
        # As a launcher does: pickled in the process of the command, read in the worker.
        task = pickle.loads(cloudpickle.dumps(Session().task))
        assert task.__self__ is session.of_worker()
        task(composed(asked, number))
    for one, planned in zip(training.asked, asked.runs, strict=True):
        assert one.config == planned.config
        assert (one.fingerprint, one.name) == (planned.fingerprint, planned.name)
        assert one.levels == planned.levels
    first, second = training.caches
    assert first is second


def test_a_session_is_sent_to_a_worker_without_its_progress_and_its_results() -> None:
    with Progress(Console(), "s", 1) as progress:
        sent = pickle.dumps(Session(progress))
    assert pickle.loads(sent) is session.of_worker()


class Log:
    """A run's log whose writing fails or succeeds."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error, self.failed, self.is_waited_for = error, "", False

    def wait(self) -> None:
        self.is_waited_for = True
        if self.error:
            raise self.error

    def fail(self, status: str, error: str, details: str = "") -> None:
        self.failed = f"{status} {error}"


def test_the_store_may_lag_one_run_behind_and_a_run_that_cannot_be_written_has_failed(
    training: Training, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    logs = [Log(OSError("the disk is full")), Log()]
    waiting = iter(logs)
    monkeypatch.setattr(
        run, "train", lambda asked, *_: Outcome(asked.name, "finished", 0.5, log=next(waiting))
    )
    asked = grid.expand(["reg=l1,l2"], multirun=True)
    with Progress(Console(), asked.study, asked.n_runs) as progress:
        own = Session(progress)
        own.run(asked.runs[0])
        assert not logs[0].is_waited_for
        own.run(asked.runs[1])
        assert logs[0].failed == "FAILED could not be logged: the disk is full"
        assert not logs[1].is_waited_for
        own.finish_writing()
    assert logs[1].is_waited_for
    assert logs[1].failed == ""
    said = "l1-s0: its results could not be logged (OSError: the disk is full)"
    assert said in capsys.readouterr().out


def test_a_store_that_fails_a_run_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def gone(uri: str) -> None:
        raise OSError("the disk is gone\nand so on")

    monkeypatch.setattr(store, "connect", gone)
    asked = grid.expand(["study=a"], multirun=False)
    settings = composed(asked, 0, job=2)
    session.tell_workers(7)
    assert Session().task(settings) is None
    said = capsys.readouterr().out
    assert said == "run 3 of 7  full-none-adam-s0  failed: OSError: the disk is gone\n"
