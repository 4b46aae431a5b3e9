"""Which claims a grid of cells gives."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, product
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ablation.report.claims.claim import (
    CellContrast,
    Claim,
    Interaction,
    LevelEffect,
    Levels,
    cell_name,
)
from ablation.report.claims.statistics import right_or_wrong, scores
from ablation.study.fractions import Fraction, fraction_of

#: With more cells than this, each is compared with one only: the cell of all baseline levels, or
#: the first of those nearest to it. It is chosen without looking at the results, so the choice
#: needs no correction.
ALL_PAIRS_UP_TO = 24
#: Cells that share fewer are not compared: another seed could turn the difference round.
LEAST_SEEDS = 2


class Grid:
    """The cells of a study, checked, with what claims are made from.

    Attributes:
        factors: their names.
        tables: cell → a score of each answer, of shape (n_seeds, n_pictures): 1 where right, 0
            where wrong, or any other.
        rows: cell → seed → its row in the cell's table.
        levels: of each factor, in the order in which they first occur.
        baseline: factor → the level that the others are compared with.
        folds: of cross-validated runs, division → the fold of each picture; a cell's "seeds" are
            divisions of the pictures then. Empty for plain runs.
        least_seeds: cells that share fewer are not compared.
    """

    def __init__(
        self,
        cells: Mapping[Levels, ArrayLike],
        factors: Sequence[str],
        seeds: Mapping[Levels, Sequence[int]],
        baseline: Mapping[str, str],
        folds: Mapping[int, NDArray[np.int64]] | None = None,
    ) -> None:
        if len(set(factors)) != len(factors):
            raise ValueError(f"a factor is named twice: {', '.join(factors)}")
        self.factors = tuple(factors)
        self.folds = dict(folds or {})
        self.least_seeds = 1 if self.folds else LEAST_SEEDS
        are_scores = any(map(_is_score, cells.values()))
        self.tables: dict[Levels, NDArray[Any]] = {}
        self.rows: dict[Levels, dict[int, int]] = {}
        for cell, table in cells.items():
            name = f"cell ({cell_name(cell)})"
            if len(cell) != len(factors):
                raise ValueError(f"{name} has {len(cell)} levels for {len(factors)} factors")
            if cell not in seeds:
                raise ValueError(f"{name} has no seeds")
            self.tables[cell] = (
                scores(table, name) if are_scores else right_or_wrong(table, name).astype(np.int8)
            )
            self.rows[cell] = {seed: row for row, seed in enumerate(seeds[cell])}
            if not len(self.rows[cell]) == len(seeds[cell]) == len(self.tables[cell]):
                raise ValueError(
                    f"{name} has a table of {len(self.tables[cell])} rows for the seeds"
                    f" {', '.join(map(str, seeds[cell]))}"
                )
        if len({table.shape[1] for table in self.tables.values()}) > 1:
            raise ValueError("the cells were not run on the same pictures: their numbers differ")

        self.levels = [
            list(dict.fromkeys(cell[i] for cell in self.tables)) for i in range(len(factors))
        ]
        unknown = set(baseline) - set(factors)
        if unknown:
            raise ValueError(f"a baseline for {', '.join(sorted(unknown))}: no such factor")
        self.baseline: dict[str, str] = {}
        for factor, levels in zip(factors, self.levels, strict=True):
            level = baseline.get(factor, levels[0] if levels else "")
            if levels and level not in levels:
                raise ValueError(f"baseline {factor}={level}: its levels are {', '.join(levels)}")
            self.baseline[factor] = level

    @property
    def n_pictures(self) -> int:
        """That every cell was evaluated on."""
        return int(next(iter(self.tables.values())).shape[1])

    @cached_property
    def fraction(self) -> Fraction | None:
        """The regular fraction of a full grid that the cells are; None where they are none."""
        return fraction_of(self.tables, self.factors)

    @property
    def is_sparse(self) -> bool:
        """Whether fewer than half of all combinations of levels are there."""
        return is_sparse(len(self.tables), self.levels)

    def other_levels(self, at: int) -> list[str]:
        """All levels of a factor except its baseline."""
        return [v for v in self.levels[at] if v != self.baseline[self.factors[at]]]

    def table(self, cell: Levels, seeds: Sequence[int]) -> NDArray[Any]:
        """The scores of a cell's runs of these seeds, of shape (len(seeds), n_pictures)."""
        rows = self.rows[cell]
        return self.tables[cell][[rows[seed] for seed in seeds]]

    def folds_of(self, seeds: Sequence[int]) -> NDArray[np.int64] | None:
        """The fold of each picture in these divisions, (len(seeds), n_pictures); None for plain
        runs."""
        return np.stack([self.folds[seed] for seed in seeds]) if self.folds else None

    def shared_seeds(self, cells: Iterable[Levels]) -> tuple[int, ...]:
        """The seeds that all of these cells have, in the order of the first cell."""
        first, *others = cells
        return tuple(s for s in self.rows[first] if all(s in self.rows[cell] for cell in others))


def is_sparse(n_cells: int, levels: Iterable[Sequence[str]]) -> bool:
    """Whether so many cells are fewer than half of all combinations of these levels."""
    return 2 * n_cells < math.prod(map(len, levels))


def _is_score(table: ArrayLike) -> bool:
    """Whether a table holds other numbers than right (1) and wrong (0)."""
    values = np.asarray(table)
    return values.dtype.kind == "f" and not bool(np.all((values == 0) | (values == 1)))


@dataclass(frozen=True)
class Draft:
    """A claim without numbers yet: the weighted sum of cells, divided by `matched`.

    Attributes:
        kind: of claim.
        names: the fields that `kind` has beyond those of every claim.
        weights: cell → its weight in the sum.
        matched: pairs or squares of cells that are averaged over.
        seeds: those that all cells share.
        pairs: pairs of cells that differ only in what the claim is about; of an interaction, those
            of its first factor, then those of its second. Of a fraction there may be none.
    """

    kind: type[Claim]
    names: dict[str, Any]
    weights: dict[Levels, int]
    matched: int
    seeds: tuple[int, ...]
    pairs: tuple[tuple[tuple[Levels, Levels], ...], ...]

    @property
    def first_sign(self) -> int:
        """The weight, 1 or -1, of the cell that sorts first."""
        return self.weights[min(self.weights)]

    @property
    def identity(self) -> tuple[object, ...]:
        """Equal for claims that differ only in their sign."""
        terms = tuple((c, self.weights[c] * self.first_sign) for c in sorted(self.weights))
        return terms, self.matched, frozenset(self.seeds)


def pairs_of(grid: Grid, most_cells: int = ALL_PAIRS_UP_TO) -> Iterator[Draft]:
    """Contrasts of two cells that share seeds: all pairs, or each cell with one reference.

    Args:
        grid: of cells.
        most_cells: up to which all pairs are made.
    """
    cells = list(grid.tables)
    if len(cells) <= most_cells:
        pairs = list(combinations(cells, 2))
    else:
        usual = tuple(grid.baseline.values())
        reference = max(cells, key=lambda cell: sum(map(str.__eq__, cell, usual)))
        pairs = [(cell, reference) for cell in cells if cell != reference]
    for a, b in pairs:
        seeds = grid.shared_seeds((a, b))
        if len(seeds) >= grid.least_seeds:
            names = {"factors": grid.factors, "a": a, "b": b}
            yield Draft(CellContrast, names, {a: 1, b: -1}, 1, seeds, (((a, b),),))


def effects_of(grid: Grid) -> Iterator[Draft]:
    """Effects of each level against its factor's baseline, averaged over matched cells."""
    for at, factor in enumerate(grid.factors):
        baseline = grid.baseline[factor]
        for level in grid.other_levels(at):
            pairs = [
                {cell: 1, _with(cell, {at: baseline}): -1}
                for cell in grid.tables
                if cell[at] == level
            ]
            names = {"factor": factor, "level": level, "baseline": baseline}
            yield from _averaged(grid, LevelEffect, names, pairs, without=(at,))


def interactions_of(grid: Grid) -> Iterator[Draft]:
    """Interactions of each two levels of two factors against both baselines."""
    for i, j in combinations(range(len(grid.factors)), 2):
        factors = (grid.factors[i], grid.factors[j])
        baselines = (grid.baseline[factors[0]], grid.baseline[factors[1]])
        for level_i, level_j in product(grid.other_levels(i), grid.other_levels(j)):
            squares = [
                {
                    cell: 1,
                    _with(cell, {i: baselines[0]}): -1,
                    _with(cell, {j: baselines[1]}): -1,
                    _with(cell, {i: baselines[0], j: baselines[1]}): 1,
                }
                for cell in grid.tables
                if (cell[i], cell[j]) == (level_i, level_j)
            ]
            names = {"factors": factors, "levels": (level_i, level_j), "baselines": baselines}
            yield from _averaged(grid, Interaction, names, squares, without=(i, j))


def _averaged(
    grid: Grid,
    kind: type[Claim],
    names: dict[str, Any],
    terms: list[dict[Levels, int]],
    without: tuple[int, ...],
) -> Iterator[Draft]:
    """The mean over the terms whose cells are all there and share seeds; none without any.

    All terms that are averaged must have the same seeds. Where some cells lack seeds that others
    have, the seeds are chosen so that most runs count: one failed run must not cost the other
    cells one of their seeds.
    """
    shared = {
        n: frozenset(grid.shared_seeds(term))
        for n, term in enumerate(terms)
        if all(cell in grid.tables for cell in term)
    }
    common = frozenset.intersection(*shared.values()) if shared else frozenset()
    candidates = [
        seeds
        for seeds in dict.fromkeys([common, *shared.values()])
        if len(seeds) >= grid.least_seeds
    ]
    if not candidates:
        return

    def runs(seeds: frozenset[int]) -> tuple[int, int]:
        return len(seeds) * sum(seeds <= others for others in shared.values()), len(seeds)

    best = max(candidates, key=runs)
    used = [terms[n] for n, seeds in shared.items() if best <= seeds]
    weights = {cell: weight for term in used for cell, weight in term.items()}
    possible = 1
    for at, levels in enumerate(grid.levels):
        possible *= 1 if at in without else len(levels)
    # Of a design that was never meant to be full, nothing is missing.
    possible = len(used) if grid.is_sparse else possible
    names = {**names, "matched": len(used), "possible": possible}
    in_order = tuple(seed for seed in grid.rows[next(iter(weights))] if seed in best)
    pairs = tuple(tuple(neighbours(weights, at)) for at in without)
    yield Draft(kind, names, weights, len(used), in_order, pairs)


def neighbours(cells: Iterable[Levels], at: int) -> Iterator[tuple[Levels, Levels]]:
    """All pairs of cells that differ in the level of one factor only, the one at this place."""
    by_rest: dict[Levels, list[Levels]] = defaultdict(list)
    for cell in cells:
        by_rest[_with(cell, {at: ""})].append(cell)
    for alike in by_rest.values():
        yield from combinations(alike, 2)


def _with(cell: Levels, levels: Mapping[int, str]) -> Levels:
    return tuple(levels.get(at, level) for at, level in enumerate(cell))
