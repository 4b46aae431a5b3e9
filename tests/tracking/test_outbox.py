"""Results that the store did not get are kept, and delivered once their process has ended."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from ablation.tracking import outbox, store
from ablation.tracking.patience import Patience
from ablation.tracking.runlog import RunLog
from ablation.tracking.store import Identity, Study
from tests.tracking.stores import client_of, make_store


class Away:
    """A client of a store that goes away and comes back."""

    def __init__(self, client: MlflowClient) -> None:
        self.client, self.is_away = client, False

    def __getattr__(self, name: str) -> Any:
        if self.is_away:
            raise ConnectionError("Connection refused")
        return getattr(self.client, name)


@pytest.fixture
def study(tmp_path: Path) -> Study:
    make_store(tmp_path / "store")
    opened = store.open_study(client_of(tmp_path / "store"), "s")
    away: Any = Away(opened.client)
    patience = Patience(0, lambda text: None)
    return replace(opened, client=away, outbox=tmp_path / "outbox", patience=patience)


SAME = Identity("f", "d", "w")


def write(folder: Path) -> None:
    (folder / "history.csv").write_text("epoch\n1\n")


def trained(study: Study, *, away_at: str) -> None:
    client: Any = study.client
    client.is_away = away_at == "start"
    log = RunLog(study, "run", {"lr": 0.1}, SAME.tags())
    log.wait()
    log.epoch({"epoch": 1.0, "val/accuracy": 0.25})
    log.wait()
    client.is_away |= away_at == "epoch"
    log.epoch({"epoch": 2.0, "val/accuracy": 0.5})
    log.wait()
    client.is_away |= away_at == "end"
    log.finish({"best_val_accuracy": 0.5}, {"device": "cpu"}, write)
    log.wait()
    client.is_away = False


@pytest.mark.parametrize("away_at", ["never", "start", "epoch", "end"])
def test_a_run_is_in_the_store_with_all_it_has_whenever_the_store_was_away(
    away_at: str, study: Study
) -> None:
    trained(study, away_at=away_at)
    kept = list(study.outbox.glob("*/run.json"))
    assert len(kept) == (away_at != "never")
    if kept:
        # While the process lives that trained it, it is that process's.
        assert outbox.deliver_waiting(study) == 0
        record = json.loads(kept[0].read_text())
        record["tags"]["process"] = "1@0.00"
        kept[0].write_text(json.dumps(record))
        assert outbox.deliver_waiting(study) == 1
    assert not study.outbox.exists()
    (run,) = store.search(study.client, study.experiment_id)
    assert (run.info.status, run.info.run_name) == ("FINISHED", "run")
    assert run.data.params == {"lr": "0.1"}
    assert run.data.metrics["best_val_accuracy"] == 0.5
    assert run.data.tags["device"] == "cpu"
    history = study.client.get_metric_history(run.info.run_id, "val/accuracy")
    assert [(point.step, point.value) for point in history] == [(1, 0.25), (2, 0.5)]
    (file,) = study.client.list_artifacts(run.info.run_id)
    assert file.path == "history.csv"
    assert store.finished(study.client, study.experiment_id, SAME) is not None


def test_a_run_that_has_finished_elsewhere_meanwhile_is_not_delivered(study: Study) -> None:
    trained(study, away_at="end")
    (kept,) = study.outbox.glob("*/run.json")
    record = json.loads(kept.read_text())
    record["tags"]["process"] = "1@0.00"
    kept.write_text(json.dumps(record))
    trained(study, away_at="never")
    assert outbox.deliver_waiting(study) == 0
    assert not kept.exists()
    runs = store.search(study.client, study.experiment_id, "attributes.status = 'FINISHED'")
    assert len(runs) == 1


def test_what_is_delivered_later_goes_where_the_store_has_the_run_by_then(
    study: Study, tmp_path: Path
) -> None:
    trained(study, away_at="end")
    (kept,) = study.outbox.glob("*/run.json")
    record = json.loads(kept.read_text())
    record["tags"]["process"] = "1@0.00"
    record["artifact_uri"] = str(tmp_path / "before it was moved")
    kept.write_text(json.dumps(record))
    (kept.parent / outbox.ARTIFACTS / "left.txt").write_text("not yet where it is to be")
    assert outbox.deliver_waiting(study) == 1
    (run,) = store.search(study.client, study.experiment_id)
    found = {file.path for file in study.client.list_artifacts(run.info.run_id)}
    assert found == {"history.csv", "left.txt"}
    assert not (tmp_path / "before it was moved").exists()
