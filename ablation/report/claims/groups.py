"""The cells that answered the same pictures, compared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ablation.report.claims.claim import Comparison
from ablation.report.claims.comparison import compare
from ablation.report.claims.statistics import MeanAccuracy
from ablation.report.evidence.answers import Answers
from ablation.report.evidence.cells import Cell


@dataclass(frozen=True)
class Group:
    """The cells that answered the same pictures, compared. Most studies are one group.

    Attributes:
        name: what tells it from the other groups ("data digits"); empty where there is one only.
        cells: in the order in which their levels were asked for.
        comparison: what can be claimed of those in which no run diverged; None where there is no
            such cell, or their predictions can't be read.
        right: these cells' levels → right or wrong, of shape (n_seeds, n_pictures).
        intervals: these cells' levels → mean accuracy with its interval.
    """

    name: str
    cells: tuple[Cell, ...]
    comparison: Comparison | None
    right: Mapping[tuple[str, ...], NDArray[np.bool_]]
    intervals: Mapping[tuple[str, ...], MeanAccuracy]

    @property
    def ranked(self) -> list[Cell]:
        """By the mean over the seeds, never by the best of them; those in which none diverged."""
        whole = [cell for cell in self.cells if not cell.diverged]
        return sorted(whole, key=lambda cell: -cell.mean)

    @property
    def unranked(self) -> list[Cell]:
        """Those in which some seeds diverged, in order."""
        return [cell for cell in self.cells if cell.diverged]


def tables_of_answers(
    cells: Sequence[Cell], answers: Answers
) -> dict[int | None, dict[tuple[str, ...], NDArray[np.bool_]]]:
    """For each set of pictures, its cells' levels → right or wrong, (n_seeds, n_pictures).

    Cells with a run whose predictions could not be read, or were made on other pictures than its
    other runs', are under None, with empty tables.
    """
    found: dict[int | None, dict[tuple[str, ...], NDArray[np.bool_]]] = {}
    for cell in cells:
        sets = {answers.pictures.get(run_id) for run_id in cell.run_ids}
        same = sets.pop() if len(sets) == 1 else None
        right = (
            np.zeros((0, 0), dtype=bool)
            if same is None
            else np.stack([answers.right[run_id] for run_id in cell.run_ids])
        )
        found.setdefault(same, {})[cell.levels] = right
    return found


def group(
    cells: Sequence[Cell],
    answers: Answers,
    factors: Mapping[str, Sequence[str]],
    baseline: Mapping[str, str],
) -> list[Group]:
    """Compare the cells that answered the same pictures.

    Args:
        cells: of the study.
        answers: of the runs.
        factors: those of the cells → their levels, in the order in which they were asked for.
        baseline: factor → the level that the others are compared with, else the first.
    """
    by_levels = {cell.levels: cell for cell in cells}
    parts = tables_of_answers(cells, answers)
    groups = []
    for pictures, tables in parts.items():
        members = tuple(by_levels[levels] for levels in tables)
        name = _what_is_common(members, cells, list(factors)) if len(parts) > 1 else ""
        if pictures is None:
            unread = "predictions can't be read"
            name = f"{name} ({unread})" if name else unread
            groups.append(Group(name, members, None, {}, {}))
            continue
        tables = {
            levels: right for levels, right in tables.items() if not by_levels[levels].diverged
        }
        if not tables:
            groups.append(Group(name, members, None, {}, {}))
            continue
        usual = {}
        for at, (factor, known) in enumerate(factors.items()):
            present = {levels[at] for levels in tables}
            wanted = [baseline[factor]] if factor in baseline else []
            usual[factor] = next(level for level in (*wanted, *known) if level in present)
        seeds = {cell.levels: cell.seeds for cell in members}
        predicted = {
            cell.levels: np.stack([answers.predicted[run_id] for run_id in cell.run_ids])
            for cell in members
            if cell.levels in tables and all(run_id in answers.predicted for run_id in cell.run_ids)
        }
        comparison = compare(tables, list(factors), seeds, usual, predicted)
        intervals = {mean.cell: mean.accuracy for mean in comparison.cells}
        groups.append(Group(name, members, comparison, tables, intervals))
    return groups


def _what_is_common(members: Sequence[Cell], cells: Sequence[Cell], factors: Sequence[str]) -> str:
    """The levels that all members share and not all cells do."""
    common = []
    for at, factor in enumerate(factors):
        levels = {cell.levels[at] for cell in members}
        if len(levels) == 1 and len({cell.levels[at] for cell in cells}) > 1:
            common.append(f"{factor} {levels.pop()}")
    return ", ".join(common)
