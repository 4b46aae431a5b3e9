"""Divides the cells of a study by the pictures that they were evaluated on; compares each group."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ablation.errors import ConfigError
from ablation.report.claims.claim import Comparison, Levels, Rules, cell_name
from ablation.report.claims.comparison import compare
from ablation.report.claims.metric import Metric
from ablation.report.claims.moderation import Expected, of_sums
from ablation.report.claims.statistics import MeanAccuracy
from ablation.report.evidence import scores
from ablation.report.evidence.answers import Answers
from ablation.report.evidence.cells import Cell, DivergedCell


@dataclass(frozen=True)
class Group:
    """The cells that were evaluated on the same pictures, compared. Most studies are one group.

    Attributes:
        name: what distinguishes it from the other groups ("data digits"); empty where it is alone.
        cells: in the order in which their levels were asked for.
        compared: the factors that are compared in this group: all of the study's where it is alone,
            otherwise those with more than one level here.
        levels: each factor of the study → its levels; where there are more groups, those here.
        diverged_cells: the levels of the cells in which all runs diverged and that belong to this
            group.
        comparison: what can be claimed of those in which no run diverged; None where there is no
            such cell, or their predictions can't be read.
        right: these cells' levels → right or wrong, of shape (n_seeds, n_pictures).
        scores: the same of what is compared: right or wrong, or another score of each answer.
        metric: what is compared.
        intervals: these cells' levels → mean accuracy with its interval.
        folds: of cross-validated runs, division → the fold of each picture, from 0. What is said
            of seeds above is said of divisions then. Empty for plain runs.
    """

    name: str
    cells: tuple[Cell, ...]
    compared: tuple[str, ...]
    levels: Mapping[str, tuple[str, ...]]
    diverged_cells: tuple[Levels, ...]
    comparison: Comparison | None
    right: Mapping[Levels, NDArray[np.bool_]]
    scores: Mapping[Levels, NDArray[Any]]
    metric: Metric
    intervals: Mapping[Levels, MeanAccuracy]
    folds: Mapping[int, NDArray[np.int64]]

    @property
    def replicate(self) -> str:
        """What a cell has several runs of: seeds, or folds."""
        return "fold" if self.folds else "seed"

    @property
    def ranked(self) -> list[Cell]:
        """The cells in which no seed diverged, by the mean over their seeds, the best first."""
        whole = [cell for cell in self.cells if not cell.diverged]
        return sorted(whole, key=lambda cell: self.metric.rank(cell.mean))

    @property
    def unranked(self) -> list[Cell]:
        """Those in which some seeds diverged, in the order of `cells`."""
        return [cell for cell in self.cells if cell.diverged]

    def shared_seeds(self, cells: Iterable[Levels]) -> list[int]:
        """The seeds that all of these cells have, increasing; none without cells."""
        seeds = [set(self._seeds[levels]) for levels in cells]
        return sorted(set.intersection(*seeds)) if seeds else []

    def answers_of(self, levels: Levels, seeds: Sequence[int]) -> NDArray[np.bool_]:
        """Right or wrong in a cell's runs of these seeds, (n_seeds, n_pictures)."""
        return self.of_seeds(self.right[levels], levels, seeds)

    def scores_of(self, levels: Levels, seeds: Sequence[int]) -> NDArray[Any]:
        """What is compared, in a cell's runs of these seeds, (n_seeds, n_pictures)."""
        return self.of_seeds(self.scores[levels], levels, seeds)

    def of_seeds(self, table: NDArray[Any], levels: Levels, seeds: Sequence[int]) -> NDArray[Any]:
        """The rows of these seeds in a table that has a row for each seed of a cell."""
        return table[[self._seeds[levels].index(seed) for seed in seeds]]

    def expected(self, sums: Sequence[Mapping[Levels, float]]) -> Expected | None:
        """What all cells let expect of the seeds of weighted sums of cells; None where nothing."""
        prior = self.comparison.prior if self.comparison else None
        return of_sums(prior, sums) if prior else None

    @cached_property
    def _seeds(self) -> dict[Levels, tuple[int, ...]]:
        return {cell.levels: cell.replicates for cell in self.cells}


def tables_of_answers(
    cells: Sequence[Cell], answers: Answers
) -> dict[int | None, dict[Levels, NDArray[np.bool_]]]:
    """For each set of pictures, its cells' levels → right or wrong, (n_seeds, n_pictures).

    A cell is under None, with an empty table, where the predictions of one of its runs can't be
    read or its runs were evaluated on different pictures.
    """
    found: dict[int | None, dict[Levels, NDArray[np.bool_]]] = {}
    for cell in cells:
        sets = {answers.pictures.get(row) for row in cell.rows}
        same = sets.pop() if len(sets) == 1 else None
        right = (
            np.zeros((0, 0), dtype=bool)
            if same is None
            else np.stack([answers.right[row] for row in cell.rows])
        )
        found.setdefault(same, {})[cell.levels] = right
    return found


def group(
    cells: Sequence[Cell],
    diverged_cells: Sequence[DivergedCell],
    answers: Answers,
    factors: Mapping[str, tuple[str, ...]],
    baseline: Mapping[str, str],
    rules: Rules,
) -> list[Group]:
    """Compare the cells that were evaluated on the same pictures.

    Args:
        cells: of the study.
        diverged_cells: those in which all runs diverged.
        answers: of the runs.
        factors: those of the cells → their levels, in the order in which they were asked for.
        baseline: factor → the level that the others are compared with, else the first.
        rules: by which claims are made.
    """
    by_levels = {cell.levels: cell for cell in cells}
    parts = tables_of_answers(cells, answers)
    groups = []
    for pictures, tables in parts.items():
        members = tuple(by_levels[levels] for levels in tables)
        name = _what_is_common(members, cells, list(factors)) if len(parts) > 1 else ""
        right = {} if pictures is None else _without_diverged(tables, by_levels)
        if pictures is None:
            is_part = all(cell.n_folds and not cell.divisions for cell in members)
            unread = "folds are missing" if is_part else "predictions can't be read"
            name = f"{name} ({unread})" if name else unread
        compared, levels = _scope(members, factors, is_alone=len(parts) == 1)
        here = [one.levels for one in diverged_cells if _is_within(one.levels, levels)]
        comparison = None
        compared_scores = {
            levels: table_of_scores(by_levels[levels], answers, rules.metric) for levels in right
        }
        folds = _folds(members, answers) if right else {}
        if right:
            usual = _usual_levels(right, factors, baseline)
            comparison = _comparison(members, compared_scores, answers, usual, rules, folds)
        intervals = {mean.cell: mean.accuracy for mean in comparison.cells} if comparison else {}
        groups.append(
            Group(
                name=name,
                cells=members,
                compared=compared,
                levels=levels,
                diverged_cells=tuple(here),
                comparison=comparison,
                right=right,
                scores=compared_scores,
                metric=rules.metric,
                intervals=intervals,
                folds=folds,
            )
        )
    return groups


def _folds(members: Sequence[Cell], answers: Answers) -> dict[int, NDArray[np.int64]]:
    return {
        division: answers.folds[row]
        for cell in members
        for division, row in zip(cell.divisions, cell.joined, strict=True)
    }


def table_of_scores(cell: Cell, answers: Answers, metric: Metric) -> NDArray[Any]:
    """What is compared, of each run and picture of a cell: shape (n_seeds, n_pictures).

    Raises:
        ConfigError: a run kept no probabilities, and the metric needs them.
    """
    right = np.stack([answers.right[row] for row in cell.rows])
    if metric.key == "accuracy":
        return right
    if metric.key == "balanced_accuracy":
        return scores.balanced(right, answers.labels[answers.pictures[cell.rows[0]]])
    try:
        return np.stack([answers.losses[row][metric.key] for row in cell.rows])
    except KeyError as error:
        raise ConfigError(
            f"report.metric={metric.key}: runs of the cell ({cell_name(cell.levels)}) kept no "
            + ("scores" if metric.key == "score" else "probabilities, as an earlier version did")
            + "; accuracy and balanced_accuracy need none"
        ) from error


def _without_diverged(
    tables: Mapping[Levels, NDArray[np.bool_]], cells: Mapping[Levels, Cell]
) -> dict[Levels, NDArray[np.bool_]]:
    return {levels: right for levels, right in tables.items() if not cells[levels].diverged}


def _scope(
    members: Sequence[Cell], factors: Mapping[str, tuple[str, ...]], is_alone: bool
) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]]:
    """The factors that are compared in a group, and each factor's levels in it."""
    if is_alone:
        return tuple(factors), dict(factors)
    levels = {}
    for at, (factor, known) in enumerate(factors.items()):
        here = {cell.levels[at] for cell in members}
        levels[factor] = tuple(level for level in known if level in here)
    return tuple(factor for factor, here in levels.items() if len(here) > 1), levels


def _is_within(cell: Levels, levels: Mapping[str, tuple[str, ...]]) -> bool:
    return all(level in known for level, known in zip(cell, levels.values(), strict=True))


def _usual_levels(
    right: Mapping[Levels, NDArray[np.bool_]],
    factors: Mapping[str, Sequence[str]],
    baseline: Mapping[str, str],
) -> dict[str, str]:
    """Each factor → the level that the others are compared with, one that is there."""
    usual = {}
    for at, (factor, known) in enumerate(factors.items()):
        present = {levels[at] for levels in right}
        wanted = [baseline[factor]] if factor in baseline else []
        usual[factor] = next(level for level in (*wanted, *known) if level in present)
    return usual


def _comparison(
    members: Sequence[Cell],
    tables: Mapping[Levels, NDArray[Any]],
    answers: Answers,
    usual: Mapping[str, str],
    rules: Rules,
    folds: Mapping[int, NDArray[np.int64]],
) -> Comparison:
    seeds = {cell.levels: cell.replicates for cell in members}
    predicted = {
        cell.levels: np.stack([answers.predicted[row] for row in cell.rows])
        for cell in members
        if cell.levels in tables and all(row in answers.predicted for row in cell.rows)
    }
    rules = replace(rules, baseline=usual)
    return compare(tables, list(usual), seeds, predicted, rules, folds)


def _what_is_common(members: Sequence[Cell], cells: Sequence[Cell], factors: Sequence[str]) -> str:
    """The levels that are the same in all members, but not in all cells of the study."""
    common = []
    for at, factor in enumerate(factors):
        levels = {cell.levels[at] for cell in members}
        if len(levels) == 1 and len({cell.levels[at] for cell in cells}) > 1:
            common.append(f"{factor} {levels.pop()}")
    return ", ".join(common)
