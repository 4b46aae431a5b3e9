"""The two sides of each main effect: what they reached seed by seed, and the pictures that flip."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ablation.report.claims.claim import LevelEffect, Levels
from ablation.report.claims.folds import fold_means
from ablation.report.claims.groups import Group
from ablation.report.evidence.answers import Answers

#: Pictures that are named for each effect.
MOST_FLIPS = 8


@dataclass(frozen=True)
class Flip:
    """A picture that one side of an effect mostly gets right and the other mostly wrong.

    Attributes:
        picture: its name.
        label: its true class.
        share, baseline_share: of the runs with the level and with the baseline level, how many
            are right, 0..1.
        wrong: the class that the worse side predicts most often.
    """

    picture: str
    label: str
    share: float
    baseline_share: float
    wrong: str


@dataclass(frozen=True)
class Sides:
    """An effect, with what both sides reached.

    Attributes:
        effect: a level against its factor's baseline level.
        reached: mean score over the cells that are compared, of the level and of the baseline
            level, in each seed or fold: shape (2, n_seeds).
        flips: the pictures with the largest difference, at most `MOST_FLIPS`.
        n_flips: how many there are.
    """

    effect: LevelEffect
    reached: NDArray[np.float64]
    flips: tuple[Flip, ...]
    n_flips: int


def sides(group: Group, answers: Answers) -> Iterator[Sides]:
    """Both sides of each effect whose cells are complete."""
    if group.comparison is None:
        return
    run_of = {
        (cell.levels, seed): run
        for cell in group.cells
        for seed, run in zip(cell.replicates, cell.rows, strict=True)
    }
    for effect in group.comparison.effects:
        both = _both(group, effect)
        seeds = group.shared_seeds([cell for side in both for cell in side])
        # Where cells lack seeds, the effect was averaged over some of them only.
        if len(both[0]) != effect.matched or len(seeds) != effect.found.n_seeds:
            continue
        scores = [np.mean([group.scores_of(cell, seeds) for cell in side], 0) for side in both]
        right = [np.stack([group.answers_of(cell, seeds) for cell in side]) for side in both]
        runs = [[run_of[cell, seed] for cell in side for seed in seeds] for side in both]
        found = list(_flips(right, runs, answers))
        reached = np.stack([_of_replicates(group, table, seeds) for table in scores])
        yield Sides(effect, reached, tuple(found[:MOST_FLIPS]), len(found))


def _of_replicates(group: Group, table: NDArray[Any], seeds: Sequence[int]) -> NDArray[np.float64]:
    if not group.folds:
        of_seeds: NDArray[np.float64] = table.mean(axis=1)
        return of_seeds
    folds = np.stack([group.folds[seed] for seed in seeds])
    return fold_means(np.asarray(table, dtype=np.float64)[np.newaxis], folds).ravel()


def _both(group: Group, effect: LevelEffect) -> tuple[list[Levels], list[Levels]]:
    """The cells with the level and those with the baseline level: pairs alike in all else, in
    order; of a fraction, all cells."""
    at = list(group.levels).index(effect.factor)
    sides: tuple[list[Levels], list[Levels]] = ([], [])
    for cell in group.scores:
        other = (*cell[:at], effect.baseline, *cell[at + 1 :])
        if effect.fraction is not None:
            sides[cell == other].append(cell)
        elif cell[at] == effect.level and other in group.scores:
            sides[0].append(cell)
            sides[1].append(other)
    return sides


def _flips(
    right: list[NDArray[np.bool_]], runs: list[list[str]], answers: Answers
) -> Iterator[Flip]:
    """Pictures that most runs of one side get right and most of the other wrong, largest first.

    Args:
        right: of each side, shape (n_cells, n_seeds, n_pictures).
        runs: of each side, the ids of its runs, cell by cell.
        answers: of all runs.
    """
    share, baseline = (table.mean(axis=(0, 1)) for table in right)
    at = answers.pictures[runs[0][0]]
    names, labels = answers.sets[at], answers.labels[at]
    flipped = np.flatnonzero((share - 0.5) * (baseline - 0.5) < 0)
    for place in sorted(flipped, key=lambda n: -abs(share[n] - baseline[n])):
        worse = runs[0] if share[place] < baseline[place] else runs[1]
        said = [answers.predicted[run][place] for run in worse if run in answers.predicted]
        yield Flip(
            # In a set of pictures each is named after its class, too.
            names[place].removeprefix(f"{labels[place]}/"),
            labels[place],
            float(share[place]),
            float(baseline[place]),
            _most_frequent_wrong(said, answers.classes, labels[place]),
        )


def _most_frequent_wrong(said: list[np.int32], classes: Mapping[int, str], label: str) -> str:
    numbers, counts = np.unique([n for n in said if classes[int(n)] != label], return_counts=True)
    return classes[int(numbers[counts.argmax()])] if len(numbers) else ""
