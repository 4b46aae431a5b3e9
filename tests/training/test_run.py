"""A run is trained once, and whatever goes wrong with it is logged as its failure."""

from pathlib import Path

import pytest

from ablation.study.grid import AskedRun, asked_run
from ablation.tracking import store
from ablation.tracking.store import Study
from ablation.training import learn, run
from ablation.training.cache import Cache
from ablation.training.fit import Epoch
from tests.training.small import small


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    return store.open_study(store.connect(f"sqlite:///{path}"), "s")


def asked(*overrides: str) -> AskedRun:
    config = small("transfer=frozen", "epochs=1", "save_weights=false", *overrides)
    return asked_run(config, {"transfer": "frozen"})


def train(asked: AskedRun, study: Study) -> tuple[run.Outcome, list[Epoch]]:
    rows: list[Epoch] = []
    outcome = run.train(asked, study, Cache(1e9), rows.append)
    if outcome.log is not None:
        outcome.log.wait()
    return outcome, rows


def status(outcome: run.Outcome, study: Study) -> tuple[str, str]:
    assert outcome.log is not None
    found = study.client.get_run(outcome.log.run_id)
    return found.info.status, found.data.tags.get("error", "")


def test_a_run_that_has_finished_is_not_trained_again_unless_it_is_asked_for(study: Study) -> None:
    first, rows = train(asked(), study)
    assert (first.status, first.name, len(rows)) == ("finished", "frozen-s0", 1)
    assert first.best_val_accuracy == rows[0]["val/accuracy"]
    assert status(first, study) == ("FINISHED", "")
    second, rows = train(asked(), study)
    assert (second.status, second.best_val_accuracy, rows) == (
        "skipped", first.best_val_accuracy, [],
    )  # fmt: skip
    # What can't change the result does not make another run.
    third, _ = train(asked("cpu_kernels=false", "cache.memory_gb=0"), study)
    assert third.status == "skipped"
    again, rows = train(asked("rerun=true"), study)
    assert (again.status, len(rows)) == ("finished", 1)


def test_a_run_that_can_not_start_has_failed_and_says_why(study: Study, tmp_path: Path) -> None:
    away = asked("seed=1", "data=imagefolder", f"data.root={tmp_path / 'away'}")
    outcome, _ = train(away, study)
    assert outcome.status == "failed"
    assert "away" in outcome.error
    assert status(outcome, study) == ("FAILED", outcome.error)


def test_a_run_that_diverges_names_the_settings_under_which_it_did(study: Study) -> None:
    outcome, _ = train(asked("seed=2", "epochs=3", "optimizer=sgd", "optimizer.lr=1e38"), study)
    assert outcome.status == "failed"
    assert outcome.error.startswith("diverged in epoch ")
    assert " at optimizer.lr=1e38 (" in outcome.error
    assert status(outcome, study) == ("FAILED", outcome.error)


def test_a_run_that_is_stopped_by_hand_is_logged_as_killed(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "learn", stop)
    with pytest.raises(KeyboardInterrupt):
        train(asked("seed=3"), study)
    (found,) = study.client.search_runs([study.experiment_id], "attributes.status = 'KILLED'")
    assert found.data.tags["error"] == "stopped by hand"


def test_an_error_in_the_training_fails_the_run_and_nothing_else(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(learn, "fit", fail)
    outcome, _ = train(asked("seed=4"), study)
    assert outcome.error == "RuntimeError: out of memory"
    assert status(outcome, study) == ("FAILED", outcome.error)
