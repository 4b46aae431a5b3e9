"""Reads which pictures each run classified right, and what it predicted of each."""

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ablation.report.evidence.source import VALIDATION, Evidence
from ablation.training import predictions


@dataclass(frozen=True)
class Answers:
    """Which pictures each run classified correctly, and the classes that it predicted.

    Attributes:
        right: run id → of shape (n_pictures,), in the order of the run's pictures.
        pictures: run id → an index into `sets`.
        sets: the different sets of pictures, each in the order of `right`.
        unreadable: run id → why its predictions could not be read, and where they were looked for.
        n_probabilities: predicted by all runs together: pictures × classes × runs.
        predicted: run id → the class predicted of each picture, as a number that stands for the
            same class in all runs: of shape (n_pictures,), in the order of `right`.
        diverged: ids of the runs whose probabilities are not finite.
    """

    right: Mapping[str, NDArray[np.bool_]]
    pictures: Mapping[str, int]
    sets: Sequence[tuple[str, ...]]
    unreadable: Mapping[str, str]
    predicted: Mapping[str, NDArray[np.int32]] = field(default_factory=dict)
    diverged: frozenset[str] = frozenset()
    n_probabilities: int = 0


def answers(evidence: Evidence, table: pd.DataFrame, split: str = VALIDATION) -> Answers:
    """Read the per-picture predictions of every run in the table.

    Args:
        evidence: on the study.
        table: the runs, as `runs.as_table` gives them.
        split: VALIDATION or HELD_BACK.
    """
    found = evidence.predictions(list(table.run_id), split)
    right: dict[str, NDArray[np.bool_]] = {}
    predicted: dict[str, NDArray[np.int32]] = {}
    pictures: dict[str, int] = {}
    sets: dict[tuple[str, ...], int] = {}
    classes: dict[str, int] = {}
    diverged = set()
    n_probabilities = 0
    for run_id, said in found.read.items():
        names, order = predictions.in_order(tuple(said.pictures), tuple(said.labels))
        pictures[run_id] = sets.setdefault(names, len(sets))
        is_right = map(operator.eq, said.labels, said.predicted)
        right[run_id] = np.fromiter(is_right, dtype=bool, count=len(names))[order]
        numbers = [classes.setdefault(name, len(classes)) for name in said.predicted]
        predicted[run_id] = np.array(numbers, dtype=np.int32)[order]
        n_probabilities += len(names) * max(len(said.classes), 1)
        if said.confidence is not None and not np.isfinite(said.confidence).all():
            diverged.add(run_id)
    return Answers(
        right,
        pictures,
        list(sets),
        found.unreadable,
        predicted,
        frozenset(diverged),
        n_probabilities,
    )
