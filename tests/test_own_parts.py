"""Parts of a person's own, from an empty folder with the installed wheel."""

import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from mlflow import MlflowClient
from PIL import Image

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


def net(width, pretrained=False):
    """A network whose last layer is for other classes than the pictures'."""
    layers = nn.Sequential(
        nn.Conv2d(3, width, 3, 2, 1), nn.BatchNorm2d(width), nn.ReLU(),
        nn.Conv2d(width, 2 * width, 3, 2, 1), nn.BatchNorm2d(2 * width), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.25), nn.Linear(2 * width, 7),
    )
    if pretrained:
        for weight in layers.parameters():
            nn.init.constant_(weight, 0.01)
    return layers


class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 4, 4), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
        self.last = nn.Linear(8, 2)

    def forward(self, x):
        return self.last(self.body(x).flatten(1))


class Backwards(Plain):
    """Its last linear layer is not what it ends with."""

    def forward(self, x):
        return torch.cat([super().forward(x)] * 2, 1)


def no_net():
    return "net"


def margin(labels, probabilities):
    """How far the true class is ahead of the next one."""
    rows = range(len(labels))
    true = probabilities[rows, labels]
    others = probabilities.copy()
    others[rows, labels] = -1
    return true - others.max(1)


def doubled(view):
    return (view // 2) * 2


def too_short(labels, probabilities):
    return labels[1:]


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


def scored(config, seed, spread=1.0):
    right = [(number + seed) % 2 for number in range(40)]
    return {"correct": right, "scores": [spread * (number % 7) + seed for number in range(40)]}


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
    "model/net": {"_target_": "parts.net", "width": 8},
    "model/plain": {"_target_": "parts.Plain"},
    "model/backwards": {"_target_": "parts.Backwards"},
    "model/none": {"_target_": "parts.no_net"},
    "model/unset": {"_target_": "parts.net"},
    "augment/doubled": {"_target_": "parts.doubled"},
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


def report(*words: str, folder: Path, wheel: Path) -> Said:
    env = {"PYTHONPATH": str(wheel)}
    return command(*words, module="ablation.report", cwd=folder, env=env)


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


def test_a_network_of_ones_own_is_trained_in_every_mode_and_predicts(
    wheel: Path, folder: Path
) -> None:
    words = ["model=net", "transfer=full,frozen,partial,scratch", "model.width=8,12"]
    mean = ["model.mean=[0.4,0.4,0.4]", "model.std=[0.2,0.2,0.2]"]
    said = ablation("-m", *words, *mean, *SMALL, folder=folder, wheel=wheel)
    assert said.code == 0, said.out + said.err
    assert "INTEGRITY" not in said.out
    runs = pd.read_csv(next((folder / "results").glob("*/runs.csv")))
    assert len(runs) == 8
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    (study,) = [one for one in client.search_experiments() if one.name.startswith("digits-")]
    logged = client.search_runs([study.experiment_id])
    sizes = {
        (run.data.params["transfer"], run.data.params["model.width"]): int(
            run.data.metrics["trained_parameters"]
        )
        for run in logged
    }
    assert sizes["frozen", "8"] == 16 * 10 + 10
    assert (
        sizes["full", "8"] == sizes["scratch", "8"] > sizes["partial", "8"] > sizes["frozen", "8"]
    )
    assert sizes["full", "12"] > sizes["full", "8"]
    assert {run.data.params["model._target_"] for run in logged} == {"parts.net"}
    assert ablation("-m", *words, *mean, *SMALL, folder=folder, wheel=wheel).out.count(
        "finished before"
    ) == len(runs)
    Image.new("RGB", (40, 40), "white").save(folder / "white.png")
    predicted = command(
        "best", "white.png", module="ablation.predict", cwd=folder, env={"PYTHONPATH": str(wheel)}
    )
    assert predicted.code == 0, predicted.out + predicted.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["model=none"], "parts.no_net: returned str; wanted is a torch.nn.Module"),
        (["model=unset"], "model.width is not set, and parts.net needs it"),
        (["model=net", "model.wdith=3"], "unknown key (did you mean model.width?)"),
        (["model=plain", "transfer=full"], "takes no argument `pretrained`"),
        (["model=net", "transfer=full"], "model.mean and model.std: say what the pre-trained"),
        (["model=backwards"], "it is not what the network ends with"),
        (["model=net", "model.width=many"], "parts.net: TypeError"),
        (["model.nmae=resnet18"], "unknown key (did you mean model.name?)"),
        (["report.metric=parts.margins"], "parts has no margins (did you mean margin?)"),
        (["report.metric=marign"], "or name a function of your own"),
    ],
)
def test_a_mistake_in_a_network_or_a_metric_is_told_before_anything_is_trained(
    words: list[str], told: str, wheel: Path, folder: Path
) -> None:
    words = (
        words
        if any(word.startswith("transfer") for word in words)
        else ["transfer=scratch", *words]
    )
    found = ablation("-m", *words, *SMALL, folder=folder, wheel=wheel)
    assert found.code == 1
    assert told in found.err, found.err
    assert "Traceback" not in found.out + found.err
    assert "epoch" not in found.out


def test_a_metric_and_an_augmentation_of_ones_own(wheel: Path, folder: Path) -> None:
    words = ["-m", "transfer=frozen", "augment=crop_flip,doubled", "seed=range(2)"]
    said = ablation(*words, "report.metric=parts.margin", *SMALL, folder=folder, wheel=wheel)
    assert said.code == 0, said.out + said.err
    results = next((folder / "results").glob("digits-*"))
    # The metric's mean over the pictures, worked out from what one run predicted.
    cells = pd.read_csv(results / "cells.csv")
    assert set(cells.metric) == {"parts.margin"}
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    (study,) = [one for one in client.search_experiments() if one.name.startswith("digits-")]
    means = []
    for run in client.search_runs([study.experiment_id], "params.augment = 'doubled'"):
        path = client.download_artifacts(run.info.run_id, "predictions.parquet")
        table = pd.read_parquet(path)
        chances = table.filter(like="p_")
        for at, label in enumerate(table.label):
            own = chances[f"p_{label}"][at]
            means.append(own - chances.drop(columns=f"p_{label}").loc[at].max())
    (row,) = cells[cells["augment"] == "doubled"].itertuples()
    assert abs(sum(means) / len(means) - row.score) < 1e-5
    said = report(
        f"study={results.name}", "report.metric=parts.too_short", folder=folder, wheel=wheel
    )
    assert said.code == 1
    assert "returned an array of shape (19,); one finite number for each of the 20" in said.err


def test_the_scores_of_a_task_are_compared(wheel: Path, folder: Path) -> None:
    words = ["-m", "task._target_=tasks.scored", "task.spread=1,3", "seed=range(3)"]
    said = ablation(*words, "report.metric=score", folder=folder, wheel=wheel)
    assert said.code == 0, said.out + said.err
    contrasts = pd.read_csv(folder / "results" / "scored-spread" / "contrasts.csv")
    wanted = 2 * sum(number % 7 for number in range(40)) / 40
    assert abs(contrasts.difference[0] - wanted) < 1e-6
    # The same from a file of evidence, without the store.
    assert report("study=scored-spread", "evidence=e.zip", folder=folder, wheel=wheel).code == 0
    words = ["evidence=e.zip", "results=again", "report.metric=score"]
    said = report(*words, folder=folder, wheel=wheel)
    assert said.code == 0, said.out + said.err
    again = pd.read_csv(folder / "again" / "scored-spread" / "contrasts.csv")
    assert again.difference[0] == contrasts.difference[0]


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
