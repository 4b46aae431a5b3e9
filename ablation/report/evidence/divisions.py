"""From folds to divisions, whose runs together judge every picture once.

In a cross-validated study (`data.folds`) each run of a cell judges the pictures of its fold. What
is compared are divisions: the answers of all K runs of one, on all pictures. Runs of a division of
which one is missing are in no comparison.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ablation.report.evidence.answers import Answers
from ablation.report.evidence.cells import Cell
from ablation.report.evidence.runs import FOLDS, level_of

Value = TypeVar("Value", bound=np.generic)


@dataclass(frozen=True)
class _Division:
    """The runs of one division in one cell.

    Attributes:
        id: under which its answers are kept.
        number: from 0.
        run_ids: of its folds, in order.
    """

    id: str
    number: int
    run_ids: tuple[str, ...]


def join(
    cells: Sequence[Cell], answers: Answers, table: pd.DataFrame
) -> tuple[list[Cell], Answers]:
    """Cells of folds with their divisions, and the answers with those of each division.

    Args:
        cells: of the study; those of plain runs stay as they are.
        answers: of their runs.
        table: the runs, as `runs.as_table` gives them.
    """
    n_folds = {
        run_id: int(value)
        for run_id, value in zip(table.run_id, level_of(table, FOLDS), strict=True)
        if value.isdigit()
    }
    if not n_folds:
        return list(cells), answers
    joined = _Joined(answers)
    found = []
    for cell in cells:
        folds = n_folds.get(cell.run_ids[0], 0)
        divisions = [one for one in _divisions(cell, folds) if joined.add(one)]
        numbers, rows = [one.number for one in divisions], [one.id for one in divisions]
        found.append(
            replace(cell, n_folds=folds, divisions=tuple(numbers), joined=tuple(rows))
            if folds
            else cell
        )
    return found, joined.answers()


def _divisions(cell: Cell, n_folds: int) -> Iterator[_Division]:
    """The divisions of which every fold has a run."""
    if not n_folds:
        return
    run_of = dict(zip(cell.seeds, cell.run_ids, strict=True))
    for number in sorted({seed // n_folds for seed in cell.seeds}):
        seeds = range(number * n_folds, (number + 1) * n_folds)
        if all(seed in run_of for seed in seeds):
            runs = tuple(run_of[seed] for seed in seeds)
            yield _Division("+".join(runs), number, runs)


class _Joined:
    """Answers, to which those of divisions are added."""

    def __init__(self, before: Answers) -> None:
        self._before = before
        self._sets = {pictures: at for at, pictures in enumerate(before.sets)}
        self._labels = list(before.labels)
        self._right, self._predicted = dict(before.right), dict(before.predicted)
        self._pictures, self._losses = dict(before.pictures), dict(before.losses)
        self._folds: dict[str, NDArray[np.int64]] = {}

    def add(self, division: _Division) -> bool:
        """Put the answers of a division together; False where some can't be read or overlap."""
        before, runs = self._before, division.run_ids
        if not all(run_id in before.right for run_id in runs):
            return False
        of_runs = [before.pictures[run_id] for run_id in runs]
        names = [name for at in of_runs for name in before.sets[at]]
        if len(set(names)) < len(names):
            return False
        labels = [label for at in of_runs for label in before.labels[at]]
        order = np.array(sorted(range(len(names)), key=names.__getitem__))
        pictures = tuple(names[at] for at in order)
        if pictures not in self._sets:
            self._sets[pictures] = len(self._labels)
            self._labels.append(tuple(labels[at] for at in order))
        self._pictures[division.id] = self._sets[pictures]
        self._right[division.id] = _put(before.right, runs, order)
        if all(run_id in before.predicted for run_id in runs):
            self._predicted[division.id] = _put(before.predicted, runs, order)
        losses = [before.losses.get(run_id, {}) for run_id in runs]
        shared = set.intersection(*(set(one) for one in losses))
        self._losses[division.id] = {
            name: np.concatenate([one[name] for one in losses])[order] for name in shared
        }
        sizes = [len(before.right[run_id]) for run_id in runs]
        self._folds[division.id] = np.repeat(np.arange(len(runs)), sizes)[order]
        return True

    def answers(self) -> Answers:
        return replace(
            self._before,
            right=self._right,
            predicted=self._predicted,
            pictures=self._pictures,
            sets=list(self._sets),
            labels=self._labels,
            losses=self._losses,
            folds=self._folds,
        )


def _put(
    values: Mapping[str, NDArray[Value]], runs: Sequence[str], order: NDArray[np.int64]
) -> NDArray[Value]:
    return np.concatenate([values[run_id] for run_id in runs])[order]
