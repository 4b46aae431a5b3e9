"""From runs to cells: replicates together, and each cell at its own best searched settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ablation.report.evidence.runs import Runs, cell_index, finished_and_diverged, level_of

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

#: The arrays of a cell → the metric that runs log.
METRICS = {
    "best": "best_val_accuracy",
    "last": "last_val_accuracy",
    "test": "test_accuracy",
    "seconds": "train_seconds",
    "parameters": "trained_parameters",
    "memory": "peak_memory_mb",
}


@dataclass(frozen=True)
class Tried:
    """A value of each searched setting, and what one cell reached with it.

    Attributes:
        values: in the order of the searched settings.
        mean: best validation accuracy over the seeds that finished, 0..1; NaN where all diverged.
        n_seeds: that finished.
        n_diverged: seeds that diverged.
    """

    values: tuple[str, ...]
    mean: float
    n_seeds: int
    n_diverged: int = 0


@dataclass(frozen=True)
class Cell:
    """One combination of levels, with one run for each seed.

    Attributes:
        levels: in the order of the factors.
        seeds: increasing.
        run_ids: one for each seed.
        best, last, test, seconds, parameters, memory: of shape (n_seeds,): the accuracies (0..1)
            at the best epoch, at the last, and on the pictures held back, the seconds of training,
            how many parameters were trained, and the most memory that the process held, in MB; NaN
            where a run did not log them.
        chosen: searched setting → the value at which the cell is shown.
        tried: all values that were tried here, the chosen ones first.
        diverged: the seeds whose runs diverged at the chosen value. The mean over the others is
            then too high, since it leaves out the worst.
        score: of each replicate: what is compared, where that is not the accuracy of runs.
        n_folds: of a cross-validated study: a seed is a fold then; else 0.
        divisions: of which every fold has a run, increasing.
        joined: the name under which each division's answers are kept.
        by_fold: of each fold of these divisions, in order: what is compared.
    """

    levels: tuple[str, ...]
    seeds: tuple[int, ...]
    run_ids: tuple[str, ...]
    best: Floats
    last: Floats
    test: Floats
    seconds: Floats
    parameters: Floats
    memory: Floats
    chosen: Mapping[str, str]
    tried: tuple[Tried, ...]
    diverged: tuple[int, ...] = ()
    score: Floats | None = None
    n_folds: int = 0
    divisions: tuple[int, ...] = ()
    joined: tuple[str, ...] = ()
    by_fold: Floats | None = None

    @property
    def replicates(self) -> tuple[int, ...]:
        """What cells are paired by: the seeds, or the divisions of a cross-validated study."""
        return self.divisions if self.n_folds else self.seeds

    @property
    def rows(self) -> tuple[str, ...]:
        """Under which the answers of each replicate are kept: a run's id, or a division's."""
        return self.joined if self.n_folds else self.run_ids

    @property
    def reached(self) -> Floats:
        """What is compared, of each replicate; of each run where no division is whole."""
        return self.best if self.score is None else self.score

    @property
    def points(self) -> dict[int, float]:
        """What each run reached, by its seed: of a cross-validated study, by its fold."""
        if self.by_fold is None:
            return dict(zip(self.seeds, self.reached.tolist(), strict=True))
        seeds = [n * self.n_folds + fold for n in self.divisions for fold in range(self.n_folds)]
        return dict(zip(seeds, self.by_fold.tolist(), strict=True))

    @property
    def mean(self) -> float:
        """Over the seeds, of what is compared: in 0..1 if it is an accuracy."""
        return float(self.reached.mean())

    @cached_property
    def at_edge(self) -> tuple[str, ...]:
        """The searched settings whose chosen value is the smallest or largest that was tried."""
        return tuple(key for at, key in enumerate(self.chosen) if self._is_at_edge(at))

    def _is_at_edge(self, at: int) -> bool:
        try:
            values = [float(tried.values[at]) for tried in self.tried]
        except ValueError:
            return False  # Words have no order.
        return len(set(values)) > 1 and values[0] in (min(values), max(values))


@dataclass(frozen=True)
class DivergedCell:
    """One combination of levels in which every run that ended diverged.

    Attributes:
        levels: in the order of the factors.
        seeds: that diverged, increasing; at every searched value that was tried.
    """

    levels: tuple[str, ...]
    seeds: tuple[int, ...]


def form(found: Runs) -> tuple[list[Cell], list[DivergedCell]]:
    """The cells in which a run finished, and those in which all diverged.

    Both are in the order in which their levels were asked for.
    """
    table = finished_and_diverged(found.table, found.diverged)
    is_diverged = np.arange(len(table)) >= len(found.table)
    columns = {name: _metric(table, metric) for name, metric in METRICS.items()}
    best = columns["best"]
    levels, values = _tuples(table, [*found.factors]), _tuples(table, [*found.searched])
    of_cell, of_values = cell_index(table, [*found.factors]), cell_index(table, [*found.searched])
    cells, diverged = [], []
    for rows in _groups(np.flatnonzero(is_diverged | np.isfinite(best)), of_cell):
        parts = [_Part(part, is_diverged, table.seed, best) for part in _groups(rows, of_values)]
        # A value at which runs diverged is only chosen where they did at all values. With fewer
        # seeds a value could win by luck, so those with the most seeds come first.
        parts.sort(key=lambda part: part.rank)
        if parts[0].finished.size:
            chosen = parts[0].finished
            of_runs: dict[str, Any] = {name: column[chosen] for name, column in columns.items()}
            cells.append(
                Cell(
                    levels=levels[chosen[0]],
                    seeds=tuple(int(seed) for seed in table.seed.iloc[chosen]),
                    run_ids=tuple(table.run_id.iloc[chosen]),
                    chosen=dict(zip(found.searched, values[chosen[0]], strict=True)),
                    tried=tuple(part.tried(values) for part in parts),
                    diverged=tuple(parts[0].diverged),
                    **of_runs,
                )
            )
        else:
            seeds = sorted({seed for part in parts for seed in part.diverged})
            diverged.append(DivergedCell(levels[rows[0]], tuple(seeds)))
    place = [{level: n for n, level in enumerate(known)} for known in found.factors.values()]

    def order(one: Cell | DivergedCell) -> list[int]:
        return [at[level] for at, level in zip(place, one.levels, strict=True)]

    return sorted(cells, key=order), sorted(diverged, key=order)


class _Part:
    """The runs of a cell at one value of each searched setting.

    Attributes:
        rows: of all runs that ended.
        finished: rows of the runs that finished, one for each seed, by seed.
        diverged: the seeds without a run that finished.
        mean: accuracy over `finished`, 0..1; NaN where that is empty.
    """

    def __init__(
        self, rows: Rows, is_diverged: NDArray[np.bool_], seeds: "pd.Series[int]", best: Floats
    ) -> None:
        self.rows = rows
        self.finished = newest_of_each_seed(rows[~is_diverged[rows]], seeds)
        ended = {int(seeds.iloc[row]) for row in rows[is_diverged[rows]]}
        self.diverged = sorted(ended - {int(seeds.iloc[row]) for row in self.finished})
        self.mean = float(best[self.finished].mean()) if self.finished.size else np.nan

    @property
    def rank(self) -> tuple[bool, bool, int, float]:
        """Sorts the values of a cell, the one at which the cell is shown first."""
        n = self.finished.size
        return not n, bool(self.diverged), -n, -self.mean if n else 0.0

    def tried(self, values: Sequence[tuple[str, ...]]) -> Tried:
        """What the cell reached here; `values` are the searched values of each row of the table."""
        return Tried(values[self.rows[0]], self.mean, self.finished.size, len(self.diverged))


def _tuples(table: pd.DataFrame, keys: Sequence[str]) -> list[tuple[str, ...]]:
    """Each run's levels of all `keys`."""
    columns = [level_of(table, key) for key in keys]
    return list(zip(*columns, strict=True)) if columns else [()] * len(table)


def _metric(table: pd.DataFrame, name: str) -> Floats:
    column = f"metrics.{name}"
    if column not in table:
        return np.full(len(table), np.nan)
    return table[column].to_numpy(dtype=np.float64)


def _groups(rows: Rows, number: Rows) -> list[Rows]:
    """`rows` divided by their `number`, in the order in which the numbers first occur."""
    parts: dict[int, list[int]] = {}
    for row in rows:
        parts.setdefault(int(number[row]), []).append(int(row))
    return [np.array(part) for part in parts.values()]


def newest_of_each_seed(rows: Rows, seeds: "pd.Series[int]") -> Rows:
    """The newest of `rows` (oldest first) for each seed, by seed."""
    newest = {int(seeds.iloc[row]): int(row) for row in rows}
    return np.array([newest[seed] for seed in sorted(newest)])
