"""A run of one's own: any function that trains something and tells what it got right.

The function is called with the run's config and its seed, `train(config, seed)`, and may have
further arguments, which are then keys of `task`. It returns, for each example that it was tested on
and in the same order under every level and seed,

- whether the answer was right: a sequence of n booleans, or of 0 and 1; or
- a mapping with `correct` as above; or with `labels` and `predicted`, sequences of n names; or
  with `labels` and `probabilities`, shape (n, n_classes), whose columns `classes` names. It may
  also have `scores`, n numbers of which the larger is the better, which `report.metric=score`
  compares; `examples`, n names; and `metrics`, numbers that are logged.
"""

import contextlib
import functools
import json
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import OmegaConf

from ablation import targets
from ablation.config import Config, as_yaml, nested
from ablation.errors import ConfigError
from ablation.parts import Part
from ablation.study.grid import AskedRun
from ablation.targets import TARGET
from ablation.tracking.store import Identity
from ablation.training import predictions
from ablation.training.fit import Epoch
from ablation.training.predictions import Predictions
from ablation.training.work import Done, Work

#: What a function may return.
KEYS = (
    *("correct", "labels", "predicted", "probabilities", "classes"),
    *("scores", "examples", "metrics"),
)
#: The class of a right answer, and that of a wrong one, where only these are known.
RIGHT, WRONG = "right", "wrong"


def work(asked: AskedRun) -> Work:
    """What a run of one's own is to do."""
    config = asked.config
    identity = Identity(asked.fingerprint, f"task {config.task[TARGET]}", "none")
    return Work(config, identity, functools.partial(_do, config))


def _do(config: Config, on_epoch: Callable[[Epoch], None]) -> Done:
    start = time.perf_counter()
    with _seeded(config.seed):
        train = targets.made("task", _taken(config.task))
        returned = train(OmegaConf.create(nested(config)), config.seed)
    seconds = time.perf_counter() - start
    said, metrics = understood(returned, config.task[TARGET])
    right = [a == b for a, b in zip(said.labels, said.predicted, strict=True)]
    accuracy = float(np.mean(right))
    row = {"epoch": 1.0, "val/accuracy": accuracy, "epoch_seconds": seconds}
    final = {
        "best_val_accuracy": accuracy,
        "best_epoch": 1.0,
        "last_val_accuracy": accuracy,
        "train_seconds": seconds,
        **metrics,
    }
    return Done(accuracy, final, {}, functools.partial(_write, config, said, row))


def _taken(part: Part) -> Part:
    """The target with the arguments that it has; it may read further keys from the config."""
    own = targets.arguments(part[TARGET], 2)
    return {key: value for key, value in part.items() if own is None or key in (TARGET, *own)}


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Within the context, the random numbers of Python, NumPy and torch follow from a seed."""
    pythons, numpys, torchs = random.getstate(), np.random.get_state(), torch.get_rng_state()
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(pythons)
        np.random.set_state(numpys)
        torch.set_rng_state(torchs)


def understood(returned: Any, name: str) -> tuple[Predictions, dict[str, float]]:
    """What a function returned as predictions, and further metrics.

    Args:
        returned: see above.
        name: of the function, for messages.

    Raises:
        ConfigError: it is none of what is said above.
    """
    given = dict(returned) if isinstance(returned, Mapping) else {"correct": returned}
    where = f"task.{TARGET}: {name}: returned"
    if unknown := set(given) - set(KEYS):
        raise ConfigError(
            f"{where} {', '.join(sorted(map(str, unknown)))}; takes {', '.join(KEYS)}"
        )
    metrics = {str(key): float(value) for key, value in given.get("metrics", {}).items()}
    if "correct" in given:
        said = _from_correct(given["correct"], where)
    elif "labels" in given and ("predicted" in given or "probabilities" in given):
        said = _from_labels(given, where)
    else:
        raise ConfigError(f"{where} neither whether each answer was right nor labels and answers")
    said = _named(said, given.get("examples"), where)
    return _scored(said, given.get("scores"), where), metrics


def _from_correct(correct: Any, where: str) -> Predictions:
    values = np.asarray(correct)
    if values.ndim != 1 or not len(values):
        raise ConfigError(f"{where} an array of shape {values.shape}; one value for each example")
    if not np.isin(values, (0, 1)).all():
        raise ConfigError(
            f"{where} values other than right (1) and wrong (0), such as "
            f"{values[~np.isin(values, (0, 1))][0]}"
        )
    answers = [RIGHT if value else WRONG for value in values]
    return Predictions(_numbered(len(values)), [RIGHT] * len(values), answers)


def _from_labels(given: Mapping[str, Any], where: str) -> Predictions:
    labels = [str(label) for label in given["labels"]]
    if "probabilities" not in given:
        chances, classes = None, tuple[str, ...]()
        predicted = [str(answer) for answer in given["predicted"]]
    else:
        chances = np.asarray(given["probabilities"])
        classes = tuple(map(str, given.get("classes", sorted(set(labels)))))
        if (
            chances.ndim != 2
            or chances.shape[1] != len(classes)
            or len(set(classes)) < len(classes)
        ):
            raise ConfigError(
                f"{where} probabilities of {chances.shape} for {len(classes)} classes"
            )
        if not np.isfinite(chances).all():
            raise ConfigError(f"{where} probabilities that are not finite")
        predicted = [classes[at] for at in chances.argmax(1)]
    if len(labels) != len(predicted) or not labels:
        raise ConfigError(f"{where} {len(labels)} labels and {len(predicted)} answers")
    if chances is None:
        return Predictions(_numbered(len(labels)), labels, predicted)
    if missing := sorted(set(labels) - set(classes)):
        raise ConfigError(f"{where} labels that are no class: {', '.join(missing[:5])}")
    return Predictions(
        _numbered(len(labels)), labels, predicted, classes, chances.astype(np.float32)
    )


def _numbered(n: int) -> list[str]:
    return [f"{at:0{len(str(n - 1))}}" for at in range(n)]


def _named(said: Predictions, examples: Sequence[Any] | None, where: str) -> Predictions:
    if examples is None:
        return said
    names = [str(name) for name in examples]
    if len(names) != len(said.labels) or len(set(names)) < len(names):
        raise ConfigError(
            f"{where} {len(names)} examples; {len(said.labels)} different names wanted"
        )
    return replace(said, pictures=names)


def _scored(said: Predictions, scores: Any, where: str) -> Predictions:
    if scores is None:
        return said
    values = np.asarray(scores, dtype=np.float32)
    if values.shape != (len(said.labels),):
        raise ConfigError(
            f"{where} scores of shape {values.shape}; one for each of {len(said.labels)} examples"
        )
    if not np.isfinite(values).all():
        raise ConfigError(f"{where} scores that are not finite")
    return replace(said, scores=values)


def _write(config: Config, said: Predictions, row: Epoch, folder: Path) -> None:
    import pandas as pd

    (folder / "config.yaml").write_text(as_yaml(config))
    if said.classes:
        (folder / "classes.json").write_text(json.dumps(said.classes))
    pd.DataFrame([row]).astype({"epoch": int}).to_csv(folder / "history.csv", index=False)
    predictions.save(said, folder)
