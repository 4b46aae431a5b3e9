"""A training that is no longer finite has no result, and is told; one that is only bad has one."""

import math
import re
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from mlflow import MlflowClient
from mlflow.entities import Run
from torch import Tensor, nn

from ablation.config import Config
from ablation.network.device import Compute
from ablation.network.transfer import Parts
from ablation.predict.errors import PredictError
from ablation.predict.runs import best_run, finished_run
from ablation.study.diverged import DivergedError, reason
from ablation.tracking import store
from ablation.training.examples import Examples
from ablation.training.fit import Fit, fit
from tests.conftest import Said, command, paint
from tests.training.small import small

CPU = torch.device("cpu")
LABELS = np.array([0, 1, 0, 1, 0, 1])


class Fed:
    """Given numbers in place of views: of training by epoch, shape (6, n), and of validation."""

    def __init__(self, epochs: Sequence[Tensor], val: Tensor) -> None:
        self._epochs, self._val = epochs, val

    def training(self, epoch: int, batches: Sequence[np.ndarray]) -> Iterator[Tensor]:  # type: ignore[type-arg]
        for batch in batches:
            yield self._epochs[epoch - 1][torch.from_numpy(batch)]

    def evaluation(self, name: str) -> Iterator[Tensor]:
        yield self._val

    def sample(self, indices: object) -> Iterator[Tensor]:
        yield self._val


def head(*before: nn.Module) -> Parts:
    """A network of one feature and two classes."""
    last = nn.Linear(1, 2)
    with torch.no_grad():
        last.weight.copy_(torch.tensor([[0.9], [-0.9]]))
    layers = [(f"layer{index}", layer) for index, layer in enumerate(before)]
    return Parts(nn.Sequential(), nn.Sequential(OrderedDict([*layers, ("head", last)])), ())


def train(
    parts: Parts,
    epochs: Sequence[Tensor],
    val: Tensor,
    config: Config,
    labels: np.ndarray = LABELS,  # type: ignore[type-arg]
) -> tuple[Fit, int]:
    seen: list[object] = []
    given = torch.from_numpy(labels)
    examples = Examples(Fed(epochs, val), given, given)
    result = fit(parts, examples, config, Compute(CPU, torch.float32), seen.append)
    return result, len(seen)


def usual(*overrides: str) -> Config:
    sgd = ["optimizer=sgd", "optimizer.lr=1e-3", "optimizer.momentum=0", "batch_size=2"]
    return small(*sgd, *overrides)


FEATURES = torch.tensor([[1.0], [-1.0], [2.0], [-2.0], [0.5], [-0.5]])


def test_a_loss_that_is_infinite_in_one_step_of_one_epoch_is_seen() -> None:
    # So small a step that the weights stay as they were, and every other loss is finite.
    odd = FEATURES.clone()
    odd[1] = 3e38
    config = usual("optimizer.lr=1e-44", "epochs=3")
    with pytest.raises(DivergedError, match=r"^diverged in epoch 2 \(training loss inf\)$"):
        train(head(), [FEATURES, odd, FEATURES], FEATURES, config)
    result, n_epochs = train(head(), [FEATURES] * 3, FEATURES, config)
    assert n_epochs == len(result.history) == 3


class Hiding(nn.Module):
    """Keeps a statistic that no output depends on."""

    statistic: Tensor

    def __init__(self, value: float) -> None:
        super().__init__()
        self.register_buffer("statistic", torch.zeros(3))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))
        self._value = value

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.statistic[1] = self._value
        return x


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_statistic_that_is_not_finite_is_seen_though_no_loss_shows_it(value: float) -> None:
    with pytest.raises(DivergedError, match=r"epoch 1 \(largest weight or statistic (nan|inf)"):
        train(head(Hiding(value)), [FEATURES] * 2, FEATURES, usual())
    train(head(Hiding(3e38)), [FEATURES] * 2, FEATURES, usual())


def test_logits_of_validation_that_are_not_finite_are_seen() -> None:
    val = FEATURES.clone()
    val[0] = math.inf
    with pytest.raises(DivergedError, match=r"epoch 1 \(validation loss nan"):
        train(head(), [FEATURES] * 2, val, usual())
    # The wrong class is so far behind that its logit is no number; the loss is 0 all the same.
    parts = head()
    with torch.no_grad():
        parts.above.head.weight[:] = torch.tensor([[0.5], [-1.2]])  # type: ignore[index, union-attr]
    val[0] = 3e38
    config = usual("optimizer.lr=1e-12")
    with pytest.raises(DivergedError, match=r"epoch 1 \(largest validation logit inf"):
        train(parts, [FEATURES] * 2, val, config, np.zeros(6, np.int64))


def test_an_infinite_penalty_is_seen() -> None:
    config = usual("optimizer.lr=1e25", "reg=l2", "reg.l2=1e-30")
    with pytest.raises(DivergedError, match=r"epoch 1 \(penalty inf"):
        train(head(), [FEATURES] * 2, FEATURES, config)


@pytest.mark.parametrize("lr", ["1e-12", "1e20"])
def test_what_never_learns_or_leaps_far_is_no_divergence(lr: str) -> None:
    flipped = -FEATURES  # never learnt: what is true of training is false of validation
    result, _ = train(head(), [FEATURES] * 2, flipped, usual(f"optimizer.lr={lr}"))
    assert all(math.isfinite(value) for row in result.history for value in row.values())


# --- From outside


FEW = ["data.size=32", "epochs=2"]


def lopsided(folder: Path) -> Path:
    """Pictures of which one class is 14 of 16 in val: who always says "ants" is right in 87.5 %."""
    for part, counts in (("train", {"ants": 16, "bees": 16}), ("val", {"ants": 14, "bees": 2})):
        for name, n in counts.items():
            for index in range(n):
                colour = (90, 90, 160) if name == "ants" else (160, 90, 90)
                seed = len(part) * 1000 + 2 * index + (name == "ants")
                paint(folder / part / name / f"{index:02}.png", colour, seed, (50, 48))
    return folder


def runs(folder: Path, study: str) -> dict[str, Run]:
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name(study)
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id])
    return {f"{run.info.run_name} {run.info.status}": run for run in found}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Said]:
    """Two learning rates, the second of which no network survives."""
    folder = tmp_path_factory.mktemp("diverged")
    root = lopsided(folder / "pictures")
    said = command(
        *("-m", "data=imagefolder", f"data.root={root}", *FEW, "study=rates"),
        *("optimizer.lr=1e30,1e-2", "transfer=full"),
        cwd=folder,
    )
    return folder, said


def test_a_run_that_diverged_has_failed_and_the_rest_go_on(study: tuple[Path, Said]) -> None:
    folder, said = study
    assert said.code == 2, said.err
    words = "diverged in epoch 1 at optimizer.lr=1e30"
    (line,) = [line for line in said.out.splitlines() if line.startswith("run 1 of 2")]
    assert words in line
    assert "1 run did not finish (1 diverged); the report names them" in said.out
    found = runs(folder, "rates")
    assert sorted(found) == ["lr0.01-s0 FINISHED", "lr1e+30-s0 FAILED"]
    lost = found["lr1e+30-s0 FAILED"]
    assert lost.data.tags["error"].startswith(words)
    assert not {"best_val_accuracy", "val/accuracy"} & set(lost.data.metrics)


def test_the_report_names_what_diverged_and_ranks_it_nowhere(study: tuple[Path, Said]) -> None:
    folder, said = study
    report = folder / "results" / "rates"
    text = (report / "report.md").read_text()
    assert text.startswith("# rates (INCOMPLETE: 1 of 2 runs finished, 1 diverged)")
    assert "1 cell has runs that diverged, and so is not ranked and in no comparison" in text
    assert "| – | 1e+30 | – | 0 |  | diverged |" in text
    lines = [line for line in text.splitlines() if "1e+30" in line]
    assert not any(re.search(r"\d%|\d %|points|\[\d", line) for line in lines), lines
    assert "DIVERGED, and so not ranked: 1e+30 (its only run)." in said.out
    listed = pd.read_csv(report / "runs.csv").set_index("status")
    assert set(listed.index) == {"finished", "diverged"}
    assert listed.loc["diverged", "error"].startswith("diverged in epoch 1")
    assert not listed.loc["diverged", "is_compared"]
    cells = pd.read_csv(report / "cells.csv")
    assert cells["n_diverged"].tolist() == [0, 1]
    assert math.isnan(cells["best_val_accuracy"][1])
    assert math.isnan(cells["rank"][1])


def test_the_same_command_trains_what_diverged_again(study: tuple[Path, Said]) -> None:
    folder, _ = study
    ask = ["-m", "data=imagefolder", f"data.root={folder / 'pictures'}", *FEW, "study=rates"]
    again = command(*ask, "optimizer.lr=1e30,1e-2", "transfer=full", cwd=folder)
    assert again.code == 2
    assert again.out.count("had finished before") == 1
    assert again.out.count("diverged in epoch 1") == 1


def finished_with(client: MlflowClient, name: str, metrics: dict[str, float]) -> str:
    """A run of an earlier version, which finished whatever its losses were."""
    experiment = client.get_experiment_by_name(name)
    made = experiment.experiment_id if experiment else client.create_experiment(name)
    run = client.create_run(made, tags={"fingerprint": "f", "data_digest": "d"}, run_name="old")
    client.set_tag(run.info.run_id, "weights_digest", "w")
    for key, value in metrics.items():
        client.log_metric(run.info.run_id, key, value)
    client.set_terminated(run.info.run_id, "FINISHED")
    return str(run.info.run_id)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("metric", ["train/loss", "train/penalty", "val/loss"])
def test_a_run_that_finished_with_no_finite_loss_counts_as_diverged_everywhere(
    tmp_path: Path, metric: str, value: float
) -> None:
    client = store.connect(f"sqlite:///{tmp_path / 'mlflow.db'}")
    fine = {"train/loss": 0.5, "train/penalty": 0.0, "val/loss": 0.6}
    lost = finished_with(client, "s", {**fine, metric: value, "best_val_accuracy": 0.9})
    identity = store.Identity("f", "d", "w")
    experiment = client.get_experiment_by_name("s")
    assert experiment is not None
    record = store.as_record(client.get_run(lost))
    assert reason(record).startswith("diverged, though it was logged as finished")
    assert store.finished(client, experiment.experiment_id, identity) is None
    with pytest.raises(PredictError, match="no run has finished, except 1 that diverged"):
        best_run(client, "s")
    with pytest.raises(PredictError, match="diverged, though"):
        finished_run(client, lost)
    kept = finished_with(client, "s", {**fine, "best_val_accuracy": 0.4})
    again = finished_with(client, "s", {**fine, "best_val_accuracy": 0.4})
    assert best_run(client, "s").info.run_id == kept != again
    found = store.finished(client, experiment.experiment_id, identity)
    assert found is not None
    assert found.info.run_id in (kept, again)


def test_the_best_run_is_one_that_did_not_diverge(study: tuple[Path, Said]) -> None:
    folder, _ = study
    picture = folder / "pictures" / "val" / "ants" / "00.png"
    said = command("best", str(picture), cwd=folder, module="ablation.predict")
    assert said.code == 0, said.err
    assert "lr0.01-s0, best validation accuracy" in said.out
    assert "nan" not in said.out


# --- Batches of one


@pytest.mark.parametrize("transfer", ["full", "frozen_moving", "partial"])
def test_a_batch_of_one_that_batchnorm_can_t_take_is_refused_before_training(
    transfer: str, tmp_path: Path
) -> None:
    few = ["data.train_pictures=20", "data.val_pictures=10", "data.size=32", "epochs=1"]
    said = command(f"transfer={transfer}", "batch_size=1", *few, cwd=tmp_path)
    assert said.code == 1
    assert "failed: batch_size=1: BatchNorm needs more than one value per channel" in said.out
    assert "batch_size=2" in said.out
    assert "transfer=frozen" in said.out
    assert "epoch 1/1" not in said.out


@pytest.mark.parametrize(
    "overrides",
    [
        ["transfer=frozen", "batch_size=1"],
        ["transfer=full", "batch_size=1", "data.size=64"],
        # The last batch would be one picture: it joins the one before.
        ["transfer=full", "batch_size=19"],
    ],
)
def test_a_batch_of_one_that_can_be_trained_is(overrides: list[str], tmp_path: Path) -> None:
    few = ["data.train_pictures=20", "data.val_pictures=10", "data.size=32", "epochs=1"]
    said = command(*few, *overrides, cwd=tmp_path)
    assert said.code == 0, said.out + said.err
