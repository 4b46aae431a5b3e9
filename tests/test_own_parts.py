"""Parts of a person's own, from an empty folder with the installed wheel."""

import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from mlflow import MlflowClient

from ablation.errors import ConfigError
from ablation.study import grid
from tests import documents
from tests.conftest import ROOT, Said, command

#: A study of seconds.
SMALL = ["data.train_pictures=24", "data.val_pictures=20", "data.size=32", "epochs=2"]

PARTS = '''
import math
import torch
from torch import nn


class Centre(nn.Module):
    """A loss with a setting, told the labels first."""

    def __init__(self, margin=0.0):
        super().__init__()
        self.margin = margin

    def begin(self, labels, n_classes):
        self.prior = torch.bincount(labels, minlength=n_classes).float() / len(labels)

    def forward(self, logits, labels):
        shift = self.margin * self.prior.clamp(min=1e-3).log()
        return nn.functional.cross_entropy(logits + shift, labels)


def exponential(at, half_life):
    return 0.5 ** (at.epoch / half_life)


class Signs(torch.optim.Optimizer):
    """Steps of one length."""

    def __init__(self, params, lr=1e-3):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    weight.sub_(weight.grad.sign(), alpha=group["lr"])


def broken(weights):
    raise RuntimeError("not today")


def wrong(weights):
    return [1.0]
'''

TASK = """
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler


def logistic(config, seed, C=1.0, scaled=True):
    x, y = load_digits(return_X_y=True)
    x, x_val, y, y_val = train_test_split(x, y, test_size=400, random_state=0)
    x, _, y, _ = train_test_split(x, y, train_size=200, random_state=seed)
    if scaled:
        scaler = StandardScaler().fit(x)
        x, x_val = scaler.transform(x), scaler.transform(x_val)
    model = LogisticRegression(C=C, max_iter=2000).fit(x, y)
    return {
        "labels": y_val, "probabilities": model.predict_proba(x_val), "classes": model.classes_,
        "metrics": {"iterations": model.n_iter_[0]},
    }


def guess(config, seed):
    return [(number + seed) % 2 for number in range(40)]


def broken(config, seed):
    raise ValueError(f"nothing at {config.task.rate}")


def odd(config, seed):
    return [0, 1, 2]
"""

LEVELS = {
    "optimizer/lion": {"_target_": "timm.optim.Lion", "lr": 1e-4, "betas": [0.9, 0.99]},
    "optimizer/signs": {"_target_": "parts.Signs", "lr": 1e-3},
    "loss/centre": {"_target_": "parts.Centre", "margin": 0.1},
    "scheduler/exponential": {"_target_": "parts.exponential", "half_life": 1.0},
    "scheduler/torchs": {"_target_": "torch.optim.lr_scheduler.ExponentialLR", "gamma": 0.5},
    "reg/broken": {"_target_": "parts.broken"},
    "reg/wrong": {"_target_": "parts.wrong"},
    "optimizer/typo": {"_target_": "parts.Signs", "lrr": 1e-3},
    "optimizer/less": {"_target_": "torch.optim.lr_scheduler.StepLR"},
    "loss/nowhere": {"_target_": "parts.Center"},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a module of parts, and levels that name them."""
    (tmp_path / "parts.py").write_text(PARTS)
    (tmp_path / "tasks.py").write_text(TASK)
    for name, level in LEVELS.items():
        path = tmp_path / "levels" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(level, sort_keys=False))
    return tmp_path


def ablation(*words: str, folder: Path, wheel: Path) -> Said:
    env = {"PYTHONPATH": str(wheel)}
    return command("--config-dir=levels", *words, cwd=folder, env=env)


def test_the_readmes_own_regularizer_is_compared_over_three_seeds(
    wheel: Path, tmp_path: Path
) -> None:
    text = documents.section((ROOT / "README.md").read_text(), "Does my idea help?")
    *files, run = documents.blocks(text)
    for block in files:
        assert block.path is not None
        (tmp_path / block.path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / block.path).write_text(block.content)
    assert len(files[0].content.splitlines()) <= 10
    (line,) = run.commands
    words = [word.strip("'") for word in line.replace("seed='", "seed=").split()[3:]]
    said = command(*words, *SMALL, cwd=tmp_path, env={"PYTHONPATH": str(wheel)})
    assert said.code == 0, said.err
    runs = pd.read_csv(tmp_path / "results" / "digits-reg" / "runs.csv")
    assert list(runs["reg"].value_counts().sort_index().items()) == [("group_lasso", 3), ("l2", 3)]
    assert (runs["train/penalty"] > 0).all() if "train/penalty" in runs else True
    logged = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    (study,) = logged.search_experiments(filter_string="name = 'digits-reg'")
    for one in logged.search_runs([study.experiment_id]):
        if one.data.params["reg"] == "group_lasso":
            assert one.data.params["reg._target_"] == "group_lasso.group_lasso"
            assert one.data.params["reg.strength"] == "0.001"
            assert float(one.data.tags["applied_penalty"]) > 0
            assert one.data.metrics["train/penalty"] > 0
    assert "INTEGRITY" not in said.out


def test_any_optimizer_loss_and_schedule_trains_and_changes_the_result(
    wheel: Path, folder: Path
) -> None:
    axes = [
        "optimizer=adam,lion,signs",
        "loss=cross_entropy,centre",
        "scheduler=constant,exponential",
    ]
    said = ablation("-m", "transfer=frozen", *axes, *SMALL, folder=folder, wheel=wheel)
    assert said.code == 0, said.out + said.err
    runs = pd.read_csv(next((folder / "results").glob("*/runs.csv")))
    assert len(runs) == 12
    # No two of them were trained in the same way.
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    (study,) = [one for one in client.search_experiments() if one.name.startswith("digits-")]
    losses = [run.data.metrics["val/loss"] for run in client.search_runs([study.experiment_id])]
    assert len(set(losses)) == 12


def test_a_change_of_a_persons_source_trains_its_runs_again_and_no_other(
    wheel: Path, folder: Path
) -> None:
    words = ["-m", "transfer=frozen", "optimizer=adam,signs", *SMALL]
    assert ablation(*words, folder=folder, wheel=wheel).code == 0
    again = ablation(*words, folder=folder, wheel=wheel)
    assert again.out.count("finished before") == 2, again.out
    source = (folder / "parts.py").read_text()
    (folder / "parts.py").write_text(source.replace("weight.grad.sign()", "weight.grad.sign() * 2"))
    changed = ablation(*words, folder=folder, wheel=wheel)
    assert changed.out.count("finished before") == 1, changed.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["reg=broken"], "reg._target_: parts.broken: RuntimeError: not today"),
        (["reg=wrong"], "reg._target_: parts.wrong: returned list; a penalty is a tensor"),
        (
            ["optimizer=typo"],
            "optimizer.lrr: parts.Signs takes no lrr (did you mean optimizer.lr?)",
        ),
        (["optimizer=less"], "optimizer.step_size is not set, and torch.optim.lr_scheduler.StepLR"),
        (["loss=nowhere"], "parts has no Center (did you mean Centre?)"),
        (["scheduler=exponential", "scheduler.half_life=long"], "scheduler"),
        (["optimizer=signs", "optimizer.momentum=0.9"], "parts.Signs takes no momentum"),
    ],
)
def test_a_mistake_in_a_part_is_told_before_anything_is_trained(
    words: list[str], said: str, wheel: Path, folder: Path
) -> None:
    # Beside a level that works: its runs must not be trained first.
    factor = words[0].partition("=")[0]
    good = {"reg": "reg=none", "optimizer": "optimizer=adam", "loss": "loss=cross_entropy"}
    axis = good.get(factor, "scheduler=constant") + "," + words[0].partition("=")[2]
    sweep = [axis, *words[1:]] if len(words) == 1 else words
    found = ablation("-m", *sweep, "transfer=frozen", *SMALL, folder=folder, wheel=wheel)
    assert found.code == 1
    assert said in found.err, found.err
    assert "Traceback" not in found.out + found.err
    assert "epoch" not in found.out


def test_a_module_beside_the_config_folder_is_found_from_another_folder(folder: Path) -> None:
    # The command looks there; here the same is done in this process.
    sys.path.append(str(folder))
    try:
        words = ["optimizer=adam,signs", "optimizer.betas=[0.5,0.9]"]
        runs = grid.expand(words, multirun=True, config_dir=folder / "levels").runs
        assert [run.config.optimizer.get("betas") for run in runs] == [[0.5, 0.9], None]
        with pytest.raises(ConfigError, match="takes no rho"):
            grid.expand([words[0], "optimizer.rho=1"], multirun=True, config_dir=folder / "levels")
    finally:
        sys.path.remove(str(folder))


def test_a_run_of_ones_own_has_the_grid_the_ledger_mlflow_and_the_report(
    wheel: Path, folder: Path
) -> None:
    words = ["-m", "task._target_=tasks.logistic", "task.C=1e-4,1", "seed=range(3)"]
    said = ablation(*words, folder=folder, wheel=wheel)
    assert said.code == 0, said.out + said.err
    assert "different" in said.out
    results = folder / "results" / "logistic-C"
    cells = pd.read_csv(results / "cells.csv")
    assert sorted(cells["task.C"]) == [1e-4, 1]
    report = (results / "report.md").read_text()
    assert "The same in all runs: task tasks.logistic." in report
    assert "efficientnet" not in report
    again = ablation(*words, folder=folder, wheel=wheel)
    assert again.out.count("finished before") == 6
    # The accuracies are those of the same pipeline outside.
    space: dict[str, object] = {}
    exec(TASK, space)
    found = space["logistic"](None, 2, C=1.0)  # type: ignore[operator]
    wanted = (found["classes"][found["probabilities"].argmax(1)] == found["labels"]).mean()
    runs = pd.read_csv(results / "runs.csv")
    (row,) = runs[(runs["task.C"] == 1) & (runs["seed"] == 2)].itertuples()
    assert abs(row.best_val_accuracy - wanted) < 1e-9


def test_a_task_may_tell_only_what_was_right(wheel: Path, folder: Path) -> None:
    words = ["-m", "task._target_=tasks.guess", "task.level=a,b", "seed=range(2)"]
    said = ablation(*words, folder=folder, wheel=wheel)
    assert said.code == 0, said.out + said.err
    cells = pd.read_csv(folder / "results" / "guess-level" / "cells.csv")
    assert sorted(cells["task.level"]) == ["a", "b"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["task._target_=tasks.broken", "task.rate=3"], "nothing at 3"),
        (["task._target_=tasks.odd"], "values other than right (1) and wrong (0), such as 2"),
        (["task._target_=tasks.none"], "tasks has no none"),
        (["task._target_=tasks.logistic", "task.D=3"], "task.D=3: tasks.logistic takes no D"),
    ],
)
def test_a_task_that_fails_says_why(words: list[str], told: str, wheel: Path, folder: Path) -> None:
    said = ablation(*words, folder=folder, wheel=wheel)
    assert said.code == 1
    assert told in said.out + said.err
    assert "Traceback" not in said.out + said.err
