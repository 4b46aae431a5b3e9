"""Reads which pictures each run classified right, what it predicted of each, and its scores."""

import operator
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ablation.report.evidence import scores
from ablation.report.evidence.scores import Scores
from ablation.report.evidence.source import VALIDATION, Evidence
from ablation.training import predictions
from ablation.training.predictions import SCORE, Predictions

#: Runs whose probabilities are in memory together.
AT_ONCE = 64


@dataclass(frozen=True)
class Answers:
    """Which pictures each run classified correctly, and the classes that it predicted.

    Attributes:
        right: run id → of shape (n_pictures,), in the order of the run's pictures.
        pictures: run id → an index into `sets`.
        sets: the different sets of pictures, each in the order of `right`.
        labels: of each set, the true class of each picture.
        unreadable: run id → why its predictions could not be read, and where they were looked for.
        n_probabilities: predicted by all runs together: pictures × classes × runs.
        predicted: run id → the class predicted of each picture, as a number that stands for the
            same class in all runs: of shape (n_pictures,), in the order of `right`.
        classes: each number in `predicted` → the class's name.
        diverged: ids of the runs whose probabilities are not finite.
        losses: run id → "log_loss", "brier" and a person's own metric of each picture, of shape
            (n_pictures,), in the order of `right`, where the probabilities were kept; and "score",
            where a run of one's own has one.
        scores: run id → its scores over all pictures.
        folds: of what is put together of the runs of a division (`divisions`), the fold of each
            picture, from 0, of shape (n_pictures,); these have entries like runs have.
    """

    right: Mapping[str, NDArray[np.bool_]]
    pictures: Mapping[str, int]
    sets: Sequence[tuple[str, ...]]
    unreadable: Mapping[str, str]
    predicted: Mapping[str, NDArray[np.int32]] = field(default_factory=dict)
    diverged: frozenset[str] = frozenset()
    n_probabilities: int = 0
    labels: Sequence[tuple[str, ...]] = ()
    losses: Mapping[str, Mapping[str, NDArray[np.float32]]] = field(default_factory=dict)
    scores: Mapping[str, Scores] = field(default_factory=dict)
    classes: Mapping[int, str] = field(default_factory=dict)
    folds: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)


def answers(
    evidence: Evidence, table: pd.DataFrame, split: str = VALIDATION, own_metric: str | None = None
) -> Answers:
    """Read the per-picture predictions of every run in the table.

    Args:
        evidence: on the study.
        table: the runs, as `runs.as_table` gives them.
        split: VALIDATION or HELD_BACK.
        own_metric: the dotted path of a person's own function that scores each picture.

    Raises:
        ConfigError: that function can't be used.
    """
    unreadable: dict[str, str] = {}
    right: dict[str, NDArray[np.bool_]] = {}
    predicted: dict[str, NDArray[np.int32]] = {}
    pictures: dict[str, int] = {}
    sets: dict[tuple[str, ...], int] = {}
    labels: list[tuple[str, ...]] = []
    classes: dict[str, int] = {}
    losses: dict[str, Mapping[str, NDArray[np.float32]]] = {}
    scored: dict[str, Scores] = {}
    diverged = set()
    n_probabilities = 0
    for run_id, said in _read(evidence, list(table.run_id), split, unreadable):
        names, order = predictions.in_order(tuple(said.pictures), tuple(said.labels))
        pictures[run_id] = sets.setdefault(names, len(sets))
        if len(sets) > len(labels):
            labels.append(tuple(said.labels[at] for at in order))
        is_right = map(operator.eq, said.labels, said.predicted)
        right[run_id] = np.fromiter(is_right, dtype=bool, count=len(names))[order]
        numbers = [classes.setdefault(name, len(classes)) for name in said.predicted]
        predicted[run_id] = np.array(numbers, dtype=np.int32)[order]
        n_probabilities += len(names) * max(len(said.classes), 1)
        if not _is_finite(said):
            diverged.add(run_id)
            continue
        of_pictures = scores.of_pictures(said)
        if own_metric is not None and of_pictures:
            of_pictures[own_metric] = scores.by(own_metric, said)
        if said.scores is not None:
            of_pictures[SCORE] = said.scores
        losses[run_id] = {name: loss[order] for name, loss in of_pictures.items()}
        scored[run_id] = scores.of_run(said)
    return Answers(
        right,
        pictures,
        list(sets),
        unreadable,
        predicted,
        frozenset(diverged),
        n_probabilities,
        labels,
        losses,
        scored,
        {number: name for name, number in classes.items()},
    )


def _read(
    evidence: Evidence, run_ids: Sequence[str], split: str, unreadable: dict[str, str]
) -> Iterator[tuple[str, Predictions]]:
    """Each run's predictions with their probabilities, of a few runs at a time.

    Args:
        evidence: on the study.
        run_ids: of the runs.
        split: VALIDATION or HELD_BACK.
        unreadable: gets run id → why its predictions can't be read.
    """
    for first in range(0, len(run_ids), AT_ONCE):
        part = run_ids[first : first + AT_ONCE]
        found = evidence.predictions(part, split, with_probabilities=True)
        unreadable.update(found.unreadable)
        yield from found.read.items()


def _is_finite(said: Predictions) -> bool:
    if said.probabilities is not None:
        return bool(np.isfinite(said.probabilities).all())
    return said.confidence is None or bool(np.isfinite(said.confidence).all())
