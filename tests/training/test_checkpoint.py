"""A training that was cut off goes on, and ends as one that was not."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ablation import process
from ablation.network.device import Compute
from ablation.tracking.store import Identity
from ablation.training.checkpoint import Checkpoint
from ablation.training.fit import Epoch
from tests.training.small import COMPUTE, cut_off, fitted, small, trained

RUN = ["epochs=4", "data.train_pictures=16"]


@pytest.mark.parametrize("after", [2, 4])
@pytest.mark.parametrize(
    "words",
    [
        ["transfer=full", "model.dropout=0.3"],
        ["transfer=frozen", "reg=elastic"],
        ["transfer=full", "optimizer=sgd", "scheduler=cosine", "optimizer.ema=0.9"],
        ["transfer=gradual", "reg=l2sp"],
    ],
)
def test_history_weights_and_predictions_are_equal_to_the_digit(
    words: list[str], after: int, tmp_path: Path
) -> None:
    config = small(*RUN, *words)
    _, _, whole, _ = trained(config)
    resumed = cut_off(config, after, Checkpoint(tmp_path / "state.pt", 0))
    for one, other in zip(whole.history, resumed.history, strict=True):
        assert {k: v for k, v in one.items() if k != "epoch_seconds"} == {
            k: v for k, v in other.items() if k != "epoch_seconds"
        }
    assert (whole.best_epoch, whole.n_steps) == (resumed.best_epoch, resumed.n_steps)
    assert (whole.probabilities == resumed.probabilities).all()
    assert all(torch.equal(value, resumed.state[name]) for name, value in whole.state.items())


@pytest.mark.parametrize("after", [2, 4])
def test_a_launchers_notice_loses_no_epoch(after: int, tmp_path: Path) -> None:
    """Nor the last one, after which there is only the store that has not got it."""
    config = small(*RUN, "transfer=full")
    _, _, whole, _ = trained(config)
    noticed: list[int] = []
    before = signal.signal(signal.SIGUSR2, lambda number, frame: noticed.append(number))
    seen: list[float] = []

    def notice(row: Epoch) -> None:
        seen.append(row["epoch"])
        if row["epoch"] == after and not noticed:
            os.kill(os.getpid(), signal.SIGUSR2)

    try:
        with process.heeding_notice(600):
            fitted(config, Checkpoint(tmp_path / "state.pt", 1e9), notice)
        assert (seen, noticed) == ([*range(1, after + 1)], [signal.SIGUSR2])
        resumed = fitted(config, Checkpoint(tmp_path / "state.pt", 1e9), notice)
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert [row["val/loss"] for row in whole.history] == [
        row["val/loss"] for row in resumed.history
    ]
    assert (whole.probabilities == resumed.probabilities).all()


def test_a_short_training_writes_nothing(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "state.pt", 30)
    assert not checkpoint.is_due
    assert Checkpoint(tmp_path / "state.pt", 0).is_due


def test_a_damaged_state_is_not_used_and_a_full_disk_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "state.pt").write_bytes(b"no state")
    assert Checkpoint(tmp_path / "state.pt", 0).read() is None
    (tmp_path / "file").write_text("")
    Checkpoint(tmp_path / "file" / "state.pt", 0).write({"a": 1})


def test_another_run_device_or_number_of_threads_has_another_file(tmp_path: Path) -> None:
    config = replace(small().cache, folder=str(tmp_path))
    same = Identity("f", "d", "w")
    half = Compute(torch.device("cpu"), torch.bfloat16)
    paths = {
        Checkpoint.of(identity, config, compute).path
        for identity in (same, Identity("g", "d", "w"))
        for compute in (COMPUTE, half)
    }
    assert len(paths) == 4
    assert Checkpoint.of(same, config, COMPUTE).path in paths
