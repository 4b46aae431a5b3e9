"""Stores are reached through any form of their address, and read-only commands create none."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ablation.predict.runs import best_run
from ablation.tracking import store
from tests.tracking.stores import client_of, make_store, runs, train


@pytest.mark.skipif(os.name != "posix", reason="elsewhere such an address is read otherwise")
@pytest.mark.parametrize("read_only", [best_run, store.find_study])
def test_a_store_is_read_through_any_form_of_its_address(
    tmp_path: Path, read_only: Callable[..., object]
) -> None:
    make_store(tmp_path / "a")
    client = client_of(tmp_path / "a")
    train(client, "first")
    client.log_metric(runs(client)[0].info.run_id, "best_val_accuracy", 0.5)
    form = f"sqlite:///file:{tmp_path}/a/mlflow.db?mode=ro&uri=true"
    assert read_only(store.connect_existing(form), "s")


def test_a_store_that_is_not_there_is_told_and_not_made(tmp_path: Path) -> None:
    for form in ("sqlite:///{}/m.db", "sqlite:///file:{}/m.db?uri=true", "sqlite:///{}/m.db?x=1"):
        with pytest.raises(store.TrackingError, match="there is no such file"):
            store.connect_existing(form.format(tmp_path))
    assert not list(tmp_path.iterdir())
