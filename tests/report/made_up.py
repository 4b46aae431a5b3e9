"""Studies with known results in a real MLflow store, made in seconds instead of trained.

What a real run logs is written under the same names: params, metrics, tags, artifacts. Rows go
into MLflow's own tables in bulk, because its client takes about 0.1 s a run.
"""

import functools
import itertools
import json
import math
import shutil
import tempfile
import uuid
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mlflow import MlflowClient
from mlflow.store.tracking.dbmodels import models
from sqlalchemy import create_engine, insert

from ablation import config as schema
from ablation.config import Config
from ablation.study import grid
from ablation.study import ledger as study
from ablation.study.fingerprints import fingerprint
from ablation.tracking import plans
from ablation.training import predictions
from ablation.training.predictions import Predictions

VERSIONS = {"python": "3.11.2", "torch": "2.13.0", "mlflow": "3.17.2"}
DIGEST = "d" * 64


@dataclass
class Study:
    """What to make up.

    Attributes:
        axes: factor or key → its levels or values.
        accuracy: of a cell, from its levels: a fraction, or how many pictures are right.
        seeds: replicates.
        n_pictures: of validation.
        n_test: pictures held back; 0 for none.
        optimism: how far their accuracy lies below that of validation, 0..1.
        lost: runs that never were logged, by (levels, seed).
        failed: runs that failed, with their error.
        running: runs under way.
        tags: further tags of a run, or others in place of the usual ones, by (levels, seed).
        overrides: settings that all runs share.
        planned: whether the command left its plan.
        metrics: further metrics of a run, or others in place of the usual ones.
        epochs: of every run, and rows of the history that is written.
        seed_noise: how far the accuracy moves with the seed.
        files: whether artifacts are written.
        is_old: whether they are those of an earlier version, without the classes' probabilities.
        later: seconds after the usual time at which the runs start.
        looks: of the command's plan, where seeds are added in rounds.
        class_sizes: bees to ants: (9, 1) makes nine bees for each ant.
        alike: cells for which it gives the same word answer the same, seed by seed.
    """

    axes: Mapping[str, Sequence[str]]
    accuracy: Callable[[Mapping[str, str]], float | int]
    seeds: Sequence[int] = (0,)
    n_pictures: int = 153
    n_test: int = 0
    optimism: float = 0.02
    lost: Callable[[Mapping[str, str], int], bool] = lambda levels, seed: False
    failed: Callable[[Mapping[str, str], int], str] = lambda levels, seed: ""
    running: Callable[[Mapping[str, str], int], bool] = lambda levels, seed: False
    tags: Callable[[Mapping[str, str], int], Mapping[str, str]] = lambda levels, seed: {}
    metrics: Callable[[Mapping[str, str], int], Mapping[str, float]] = lambda levels, seed: {}
    overrides: Sequence[str] = ()
    planned: bool = True
    epochs: int = 5
    name: str = "made-up"
    seed_noise: float = 0.01
    files: bool = True
    is_old: bool = False
    later: int = 0
    looks: tuple[int, ...] = ()
    class_sizes: tuple[int, int] = (1, 1)
    alike: Callable[[Mapping[str, str]], str] | None = None


def store(folder: Path, *studies: Study) -> str:
    """Make the studies in a new store in `folder`; its tracking URI."""
    folder.mkdir(parents=True, exist_ok=True)
    database = folder / "mlflow.db"
    if not database.exists():
        shutil.copy(_empty_database(), database)
    uri = f"sqlite:///{database}"
    client = MlflowClient(tracking_uri=uri)
    for made in studies:
        _make(client, uri, folder / "artifacts", made)
    return uri


@functools.cache
def _empty_database() -> Path:
    """MLflow takes seconds to create its tables: once is enough for all tests of a session."""
    path = Path(tempfile.mkdtemp(prefix="made-up-")) / "empty.db"
    MlflowClient(tracking_uri=f"sqlite:///{path}").search_experiments()
    return path


def _make(client: MlflowClient, uri: str, artifacts: Path, made: Study) -> None:
    found = client.get_experiment_by_name(made.name)
    experiment = (
        found.experiment_id
        if found
        else client.create_experiment(made.name, artifact_location=artifacts.as_uri())
    )
    axes = {**made.axes, "seed": [str(seed) for seed in made.seeds]}
    configs = list(_configs(axes, made))
    command = "python -m ablation -m " + " ".join(f"{k}={','.join(v)}" for k, v in axes.items())
    if made.planned:
        prints = [fingerprint(config) for _, _, config in configs]
        plan = study.Plan(command, axes, prints, made.looks)
        plans.save_plan(client, experiment, plan)
    rows: dict[Any, list[dict[str, Any]]] = {
        table: []
        for table in (
            models.SqlRun, models.SqlParam, models.SqlTag, models.SqlLatestMetric, models.SqlMetric
        )
    }  # fmt: skip
    random = np.random.default_rng(len(configs))
    hardness = random.normal(size=made.n_pictures)
    for index, (varied, levels, config) in enumerate(configs):
        if made.lost(varied, config.seed):
            continue
        run = _Run(made, varied, levels, config, index, command)
        run.write(rows, int(experiment), artifacts, random, hardness)
    engine = create_engine(uri)
    with engine.begin() as connection:
        for table, content in rows.items():
            if content:
                connection.execute(insert(table), content)
    engine.dispose()


def _configs(
    axes: Mapping[str, Sequence[str]], made: Study
) -> Iterator[tuple[dict[str, str], dict[str, str], Config]]:
    """Each run's place in the grid, its levels and its config, without composing every one."""
    base = _composed(tuple(made.overrides))
    groups = [axis for axis in axes if axis in base.levels]
    sections = {
        (group, level): getattr(_composed((*made.overrides, f"{group}={level}")).config, group)
        for group in groups
        for level in axes[group]
    }
    for values in itertools.product(*axes.values()):
        varied = dict(zip(axes, values, strict=True))
        config = deepcopy(base.config)
        config.study, config.axes = made.name, [axis for axis in axes if axis != "seed"]
        config.epochs = made.epochs
        for axis, value in sorted(varied.items(), key=lambda item: "." in item[0]):
            if axis in groups:
                setattr(config, axis, deepcopy(sections[axis, value]))
            else:
                _set(config, axis, value)
        levels = {**base.levels, **{group: varied[group] for group in groups}}
        yield {k: v for k, v in varied.items() if k != "seed"}, levels, config


def _set(config: Config, axis: str, value: str) -> None:
    """Set a key to a value that is given as text."""
    section, _, key = axis.rpartition(".")
    owner = getattr(config, section) if section else config
    before = owner[key] if isinstance(owner, dict) else getattr(owner, key)
    typed = type(before)(float(value)) if isinstance(before, int | float) else value
    if isinstance(owner, dict):
        owner[key] = typed
    else:
        setattr(owner, key, typed)


@functools.cache
def _composed(overrides: tuple[str, ...]) -> grid.PlannedRun:
    """Hydra takes about 0.1 s: the same settings are composed once."""
    return grid.expand(overrides, multirun=False).runs[0]


@dataclass
class _Run:
    made: Study
    varied: Mapping[str, str]
    levels: Mapping[str, str]
    config: Config
    index: int
    command: str

    def write(
        self,
        rows: dict[Any, list[dict[str, Any]]],
        experiment: int,
        artifacts: Path,
        random: np.random.Generator,
        hardness: np.ndarray[Any, Any],
    ) -> None:
        made, seed = self.made, self.config.seed
        run_id = uuid.uuid4().hex
        folder = artifacts / run_id / "artifacts"
        error = made.failed(self.varied, seed)
        is_running = made.running(self.varied, seed)
        status = "FAILED" if error else "RUNNING" if is_running else "FINISHED"
        start = 1_760_000_000_000 + made.later * 1000 + self.index * 30_000
        rows[models.SqlRun].append(
            {
                "run_uuid": run_id,
                "name": "-".join([*self.varied.values(), f"s{seed}"]),
                "source_type": "LOCAL",
                "source_name": "python -m ablation",
                "entry_point_name": "",
                "source_version": "",
                "user_id": "someone",
                "status": status,
                "start_time": start,
                "end_time": None if is_running else start + 25_000,
                "lifecycle_stage": "active",
                "artifact_uri": folder.as_uri(),
                "experiment_id": experiment,
            }
        )
        params = {**self.levels, **schema.leaves(self.config)}
        rows[models.SqlParam] += [
            {"run_uuid": run_id, "key": key, "value": str(value)} for key, value in params.items()
        ]
        tags = {**self._tags(), **made.tags(self.varied, seed)}
        if error:
            tags["error"] = error
        rows[models.SqlTag] += [
            {"run_uuid": run_id, "key": key, "value": value} for key, value in tags.items()
        ]
        if status != "FINISHED":
            return
        metrics, history, said = self._results(random, hardness)
        rows[models.SqlLatestMetric] += [
            {"run_uuid": run_id, "key": key, "value": 0 if math.isnan(value) else value,
             "timestamp": start, "step": 0, "is_nan": math.isnan(value)}
            for key, value in {**metrics, **made.metrics(self.varied, seed)}.items()
        ]  # fmt: skip
        if made.files:
            folder.mkdir(parents=True)
            (folder / "history.csv").write_text(history)
            for prefix, answers in said.items():
                predictions.save(answers, folder, prefix)
                if made.is_old:
                    (folder / f"{prefix}{predictions.PARQUET}").unlink()
                    path = folder / f"{prefix}{predictions.CSV}"
                    path.write_text(_without_classes(path.read_text()))

    def _tags(self) -> dict[str, str]:
        frozen = "f" * 64 if self.config.transfer.trained != "all" else "e" * 64
        return {
            "mlflow.runName": "-".join([*self.varied.values(), f"s{self.config.seed}"]),
            "fingerprint": fingerprint(self.config),
            "data_digest": DIGEST,
            "weights_digest": "a" * 64 if self.config.transfer.pretrained else "none",
            "command": self.command,
            "code_commit": "c" * 40,
            "code_dirty": "false",
            "versions": json.dumps(VERSIONS),
            "n_steps": str(15 * self.config.epochs),
            "frozen_digest_before": frozen,
            "frozen_digest_after": frozen,
            "device": "cpu",
            "precision": "float32",
        }

    def _results(
        self, random: np.random.Generator, hardness: np.ndarray[Any, Any]
    ) -> tuple[dict[str, float], str, dict[str, Predictions]]:
        """Metrics, history and predictions of a run of the wanted accuracy."""
        made, config = self.made, self.config
        wanted = made.accuracy(self.varied)
        if made.alike:
            word = f"{made.alike(self.varied)} {config.seed}"
            random = np.random.default_rng(zlib.crc32(word.encode()))
        if isinstance(wanted, float):
            score = hardness + 0.6 * random.normal(size=made.n_pictures)
            share = np.clip(wanted + made.seed_noise * np.sin(7.0 * config.seed + self.index), 0, 1)
            n_right = round(float(share) * made.n_pictures)
        else:
            score, n_right = hardness + 0.3 * random.normal(size=made.n_pictures), wanted
        right = np.zeros(made.n_pictures, dtype=bool)
        right[np.argsort(score)[:n_right]] = True
        best = float(right.mean())
        reached = best * (1 - 0.5 * np.exp(-np.arange(made.epochs)))
        reached += 0.01 * random.normal(size=made.epochs)
        best_epoch = max(1, made.epochs - 1)
        reached = np.minimum(reached, best)
        reached[best_epoch - 1] = best
        penalty = 3.5 if config.reg["_target_"] else 0.0
        seconds = 2.0 if config.transfer.trained == "head" else 7.0
        history = [
            "epoch,train/loss,train/penalty,train/accuracy,val/loss,val/accuracy,lr,epoch_seconds"
        ]
        history += [
            f"{e},{1.5 / e},{penalty},{min(1, a + 0.02)},{1.6 / e},{a},1e-3,{seconds}"
            for e, a in enumerate(reached, 1)
        ]
        metrics = {
            "train/loss": 0.3, "train/penalty": penalty, "train/accuracy": 0.9,
            "val/loss": 0.4, "val/accuracy": float(reached[-1]), "lr": config.optimizer["lr"],
            "epoch_seconds": seconds, "best_val_accuracy": best, "best_epoch": float(best_epoch),
            "last_val_accuracy": float(reached[-1]),
            "train_seconds": seconds * made.epochs * float(random.uniform(0.9, 1.1)),
        }  # fmt: skip
        said = {"": _said(f"{self.levels['data']}/val", right, made.class_sizes)}
        if made.n_test:
            test = random.random(made.n_test) < best - made.optimism
            metrics["test_accuracy"] = float(test.mean())
            said["test_"] = _said(f"{self.levels['data']}/test", test, made.class_sizes)
        return metrics, "\n".join(history), said


def _said(split: str, right: np.ndarray[Any, Any], sizes: tuple[int, int]) -> Predictions:
    """Bees and ants in turn; what is predicted has a probability of 0.90 to 0.99."""
    at = np.arange(len(right))
    labels = (at % sum(sizes) >= sizes[0]).astype(int)
    predicted = np.where(right, labels, 1 - labels)
    winner = (0.9 + at % 10 / 100).astype(np.float32)
    chances = np.where(np.arange(2) == predicted[:, None], winner[:, None], 1 - winner[:, None])
    classes = ("bees", "ants")
    names = [f"{split}/{classes[label]}/{i:05}.jpg" for i, label in enumerate(labels)]
    return predictions.of(names, labels, classes, chances)


def _without_classes(text: str) -> str:
    return "".join(",".join(line.split(",")[:4]) + "\n" for line in text.splitlines())
