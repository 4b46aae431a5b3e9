"""Training keeps its best epoch, applies what was asked for, and is reproducible."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from ablation.network import preprocessing
from ablation.pictures import data
from ablation.study import grid
from ablation.training.cache import Cache
from ablation.training.examples import examples_of
from tests.training.small import COMPUTE, small, trained


def test_the_best_epoch_is_the_first_of_the_best_accuracy_and_is_loaded_back() -> None:
    config = small("transfer=frozen", "epochs=6", "optimizer.lr=0.3", "optimizer=sgd")
    _, parts, result, rows = trained(config)
    accuracies = [row["val/accuracy"] for row in rows]
    assert result.best_val_accuracy == max(accuracies)
    assert result.best_epoch == accuracies.index(max(accuracies)) + 1
    assert result.last_val_accuracy == accuracies[-1]
    pictures = data.load(config.data)
    right = result.probabilities.argmax(1) == pictures.val.labels
    assert right.mean() == pytest.approx(result.best_val_accuracy)
    inputs = examples_of(parts, pictures, config, COMPUTE, Cache(1e9)).inputs
    parts.eval()
    with torch.no_grad():
        now = torch.cat([parts.above(x) for x in inputs.evaluation("val")]).softmax(1)
    np.testing.assert_allclose(now.numpy(), result.probabilities, atol=1e-5)


def test_two_runs_with_one_seed_give_the_same_numbers_to_the_last_digit() -> None:
    histories = []
    for _ in range(2):
        _, _, result, rows = trained(small("transfer=full", "reg=l1"))
        timeless = [{k: v for k, v in row.items() if k != "epoch_seconds"} for row in rows]
        histories.append((timeless, result.probabilities.tolist()))
    assert histories[0] == histories[1]


def test_what_was_applied_is_what_was_asked_for() -> None:
    _, _, result, _ = trained(small("transfer=frozen", "reg=elastic", "reg.l1=0.01"))
    assert result.applied == {"l1": pytest.approx(0.01, rel=1e-3), "l2": 1e-3}
    assert result.n_steps == 6


def test_predictions_are_the_networks_own(make_folder: Callable[..., Path]) -> None:
    """Telling red from blue is learnt in a few steps, so labels and pictures belong together."""
    root = make_folder({"train": 12, "val": 6})
    overrides = ["data=imagefolder", f"data.root={root}", "data.size=64", "transfer=frozen"]
    config = grid.expand([*overrides, "epochs=8"], multirun=False).runs[0]
    _, _, result, _ = trained(preprocessing.filled(config.config))
    assert result.best_val_accuracy > 0.8
