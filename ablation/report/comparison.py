"""From the cells of a study to every claim that its report makes, and to the words for each.

A claim is a weighted sum of cells over the seeds that these share: a contrast of two cells, a
level's effect against the baseline level, averaged over matched cells, or an interaction of two
factors. All claims of a report form one family: their p-values are corrected together (Holm, with
weights), and only what survives is `told_apart`. So whatever a reader picks out of a report
without any true difference, it claims one in at most 5 % of studies.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ablation.report.statistics import (
    Contrast,
    MeanAccuracy,
    holm,
    mean_effects,
    mean_interval,
    needed,
    right_or_wrong,
    variance_shares,
)

Cell = tuple[str, ...]
#: What two cells have in common on every picture: the class predicted, or only whether it is right.
Same = Literal["", "right", "predictions"]

_VALUES_AT_ONCE = 2_000_000  # Entries of the tables that are analysed together: about 16 MB.


@dataclass(frozen=True)
class CellMean:
    cell: Cell
    accuracy: MeanAccuracy


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A difference, as the report states it: with its correction for all others beside it."""

    found: Contrast
    corrected_p: float
    n_claims: int  # In the report's family, this one included.
    same: Same = ""  # What its two sides have in common, in every seed and every pair of cells.

    @property
    def told_apart(self) -> bool:
        """Whether the report says that there is a difference."""
        # A corrected p-value is never below the raw one, so the interval then leaves out 0 too.
        return self.corrected_p < 1 - self.found.confidence and self.found.excludes_zero


@dataclass(frozen=True, kw_only=True)
class CellContrast(Claim):
    """Cell `a` minus cell `b`."""

    factors: tuple[str, ...]
    a: Cell
    b: Cell


@dataclass(frozen=True, kw_only=True)
class LevelEffect(Claim):
    """`level` minus `baseline`, averaged over pairs of cells that are alike in all else."""

    factor: str
    level: str
    baseline: str
    matched: int  # Pairs of cells averaged over.
    possible: int  # Pairs that a full grid would hold.
    #: Other factors' levels with which all predictions are the same, where not all of all are.
    same_with: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Interaction(Claim):
    """The effect of the first factor's level at the second's level, minus that at its baseline."""

    factors: tuple[str, str]
    levels: tuple[str, str]
    baselines: tuple[str, str]
    matched: int  # Squares of four cells averaged over.
    possible: int
    idle: str = ""  # The factor that changes nothing at either level of the other, where `same`.


@dataclass(frozen=True)
class Comparison:
    """All that a report says about accuracies, in the order of the cells and factors given."""

    factors: tuple[str, ...]
    baseline: dict[str, str]
    cells: tuple[CellMean, ...]
    contrasts: tuple[CellContrast, ...]
    effects: tuple[LevelEffect, ...]
    interactions: tuple[Interaction, ...]
    shares: dict[str, float] | None  # None unless the grid is full and its accuracies vary.
    n_claims: int


def compare(
    cells: Mapping[Cell, NDArray[np.bool_]],
    factors: Sequence[str],
    seeds: Mapping[Cell, Sequence[int]],
    baseline: Mapping[str, str] | None = None,
    predicted: Mapping[Cell, NDArray[np.integer]] | None = None,
    confidence: float = 0.95,
    all_pairs_up_to: int = 24,
) -> Comparison:
    """Make every claim of a report.

    Args:
        cells: Right or wrong, of shape (n_seeds, n_images), by the cell's levels in the order of
            `factors`. All cells answer the same pictures in the same order. Cells may be missing.
        factors: The names of the factors.
        seeds: Of each cell, the seed of each row of its table. Cells are paired on the seeds that
            they share, and not compared if there are none.
        baseline: Of some or all factors, the level that the others are compared with; else the
            level met first.
        predicted: The classes predicted, of the shape of the cell's table, each a number that
            stands for one class in all cells; of some or all cells.
        confidence: Of all intervals, between 0 and 1; claims hold at 1 - confidence over all.
        all_pairs_up_to: With more cells than this, each cell is compared with one only: the cell
            of all baseline levels, or the first of those nearest to it. Which one does not depend
            on the results, so that no correction is needed for having chosen it.

    Raises:
        ValueError: If a cell's key, table or seeds do not fit the others, or a baseline is unknown.
    """
    grid = _Grid(cells, factors, seeds, baseline or {})
    drafts = [*_pairs(grid, all_pairs_up_to), *_level_effects(grid), *_interactions(grid)]
    # A claim made twice, such as the only pair of a factor's levels, is one member of the family.
    family: dict[tuple[object, ...], _Draft] = {}
    weights: dict[tuple[object, ...], float] = defaultdict(float)
    n_of_kind = Counter(draft.kind for draft in drafts)
    for draft in drafts:
        family.setdefault(draft.identity, draft)
        # Effects, interactions and pairs of cells share the chance of a false claim in equal
        # parts: else the few questions that a study was made for would drown in its many pairs.
        weights[draft.identity] += 1 / n_of_kind[draft.kind]
    found = _contrasts(grid, list(family.values()), confidence)
    p_values = [contrast.p_value for contrast in found]
    corrected = holm(p_values, [weights[identity] for identity in family])
    figures = dict(zip(family, zip(found, corrected, strict=True), strict=True))
    rows = _Rows(grid, predicted or {})

    claims: list[Claim] = []
    for draft in drafts:
        contrast, corrected_p = figures[draft.identity]
        if draft.first_sign != family[draft.identity].first_sign:
            contrast = contrast.reversed()
        claims.append(
            draft.kind(
                found=contrast,
                corrected_p=float(corrected_p),
                n_claims=len(family),
                **draft.names,
                **rows.in_common(draft),
            )
        )
    return Comparison(
        factors=grid.factors,
        baseline=grid.baseline,
        cells=tuple(
            CellMean(cell, mean_interval(table, confidence)) for cell, table in grid.tables.items()
        ),
        contrasts=tuple(claim for claim in claims if isinstance(claim, CellContrast)),
        effects=tuple(claim for claim in claims if isinstance(claim, LevelEffect)),
        interactions=tuple(claim for claim in claims if isinstance(claim, Interaction)),
        shares=_shares(grid),
        n_claims=len(family),
    )


def in_words(claim: Claim, difference: float = 0.01) -> str:
    """One sentence that says no more than the claim does.

    Args:
        claim: Any claim of a comparison.
        difference: The difference, a fraction, that a claim that tells nothing apart is measured
            by: how much data would be needed to tell it.
    """
    if claim.found.difference < 0:  # Name the better one first.
        claim = _turned(claim)
    found = claim.found
    one_seed = found.n_seeds == 1
    scope = f"{_count(found.n_seeds, 'seed')}, {_count(found.n_images, 'picture')}"
    scope += _averaged_over(claim)
    if one_seed:
        scope += " (for new pictures, not for new seeds)"
    start = "on these weights, " if one_seed else ""
    if claim.same:
        return _nothing_changed(claim)
    ending = _where_nothing_changed(claim)
    if claim.told_apart:
        return f"{start}{_verdict(claim, _figures(found))}, {scope}{ending}"
    sentence = f"{start}{_no_verdict(claim)}: {_figures(found)}, {scope}"
    if found.excludes_zero:
        sentence += (
            f"; the interval leaves out 0, but not once all {claim.n_claims:,} comparisons of"
            f" this report are allowed for (corrected p = {claim.corrected_p:.2g})"
        )
    return f"{sentence}; {_what_it_takes(found, difference)}{ending}"


def cell_name(cell: Cell) -> str:
    return ", ".join(cell) or "the only cell"


# --- From cells to claims


class _Grid:
    """The cells, checked: tables as signed integers, rows by seed, levels in the order met."""

    def __init__(
        self,
        cells: Mapping[Cell, NDArray[np.bool_]],
        factors: Sequence[str],
        seeds: Mapping[Cell, Sequence[int]],
        baseline: Mapping[str, str],
    ) -> None:
        if len(set(factors)) != len(factors):
            raise ValueError(f"a factor is named twice: {', '.join(factors)}")
        self.factors = tuple(factors)
        self.tables: dict[Cell, NDArray[np.int8]] = {}
        self.rows: dict[Cell, dict[int, int]] = {}
        for cell, table in cells.items():
            name = f"cell ({cell_name(cell)})"
            if len(cell) != len(factors):
                raise ValueError(f"{name} has {len(cell)} levels for {len(factors)} factors")
            if cell not in seeds:
                raise ValueError(f"{name} has no seeds")
            self.tables[cell] = right_or_wrong(table, name).astype(np.int8)
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
    def n_images(self) -> int:
        return int(next(iter(self.tables.values())).shape[1])

    def other_levels(self, at: int) -> list[str]:
        """The levels of a factor but its baseline."""
        return [v for v in self.levels[at] if v != self.baseline[self.factors[at]]]

    def table(self, cell: Cell, seeds: Sequence[int]) -> NDArray[np.int8]:
        rows = self.rows[cell]
        return self.tables[cell][[rows[seed] for seed in seeds]]

    def shared_seeds(self, cells: Iterable[Cell]) -> tuple[int, ...]:
        """In the order of the first cell."""
        first, *others = cells
        return tuple(s for s in self.rows[first] if all(s in self.rows[cell] for cell in others))


@dataclass(frozen=True)
class _Draft:
    """A claim before its figures: the sum of weighted cells, divided by `matched`."""

    kind: type[Claim]
    names: dict[str, Any]  # What `kind` holds beyond every claim's fields.
    weights: dict[Cell, int]
    matched: int
    seeds: tuple[int, ...]
    # Pairs of cells that are alike in all but what the claim is about; of an interaction, those
    # of its first factor, then those of its second.
    pairs: tuple[tuple[tuple[Cell, Cell], ...], ...]

    @property
    def first_sign(self) -> int:
        return self.weights[min(self.weights)]

    @property
    def identity(self) -> tuple[object, ...]:
        """Equal for claims that are the same but for their sign."""
        terms = tuple((c, self.weights[c] * self.first_sign) for c in sorted(self.weights))
        return terms, self.matched, frozenset(self.seeds)


def _pairs(grid: _Grid, all_pairs_up_to: int) -> Iterator[_Draft]:
    cells = list(grid.tables)
    if len(cells) <= all_pairs_up_to:
        pairs = list(combinations(cells, 2))
    else:
        usual = tuple(grid.baseline.values())
        reference = max(cells, key=lambda cell: sum(map(str.__eq__, cell, usual)))
        pairs = [(cell, reference) for cell in cells if cell != reference]
    for a, b in pairs:
        seeds = grid.shared_seeds((a, b))
        if seeds:
            names = {"factors": grid.factors, "a": a, "b": b}
            yield _Draft(CellContrast, names, {a: 1, b: -1}, 1, seeds, (((a, b),),))


def _level_effects(grid: _Grid) -> Iterator[_Draft]:
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


def _interactions(grid: _Grid) -> Iterator[_Draft]:
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
    grid: _Grid,
    kind: type[Claim],
    names: dict[str, Any],
    terms: list[dict[Cell, int]],
    without: tuple[int, ...],
) -> Iterator[_Draft]:
    """The mean of those terms whose cells are all there, if any is.

    All of them must share their seeds. Where some cells lack seeds that others have, the seeds are
    chosen so that the most runs count: a cell that failed but once costs the others nothing.
    """
    shared = {
        n: frozenset(grid.shared_seeds(term))
        for n, term in enumerate(terms)
        if all(cell in grid.tables for cell in term)
    }
    if not any(shared.values()):
        return
    candidates = dict.fromkeys([frozenset.intersection(*shared.values()), *shared.values()])

    def runs(seeds: frozenset[int]) -> tuple[int, int]:
        return len(seeds) * sum(seeds <= others for others in shared.values()), len(seeds)

    best = max(candidates, key=runs)
    used = [terms[n] for n, seeds in shared.items() if best <= seeds]
    weights = {cell: weight for term in used for cell, weight in term.items()}
    possible = 1
    for at, levels in enumerate(grid.levels):
        possible *= 1 if at in without else len(levels)
    names = {**names, "matched": len(used), "possible": possible}
    in_order = tuple(seed for seed in grid.rows[next(iter(weights))] if seed in best)
    pairs = tuple(tuple(_neighbours(weights, at)) for at in without)
    yield _Draft(kind, names, weights, len(used), in_order, pairs)


def _neighbours(cells: Iterable[Cell], at: int) -> Iterator[tuple[Cell, Cell]]:
    """Pairs of these cells that differ in the level at one place only."""
    by_rest: dict[Cell, list[Cell]] = defaultdict(list)
    for cell in cells:
        by_rest[_with(cell, {at: ""})].append(cell)
    for alike in by_rest.values():
        yield from combinations(alike, 2)


class _Rows:
    """What each run answered, in a form that is quickly compared."""

    def __init__(self, grid: _Grid, predicted: Mapping[Cell, NDArray[np.integer]]) -> None:
        self._grid = grid
        self._right = {cell: self._digests(table) for cell, table in grid.tables.items()}
        self._predicted = {cell: self._digests(table) for cell, table in predicted.items()}

    @staticmethod
    def _digests(table: NDArray[np.integer]) -> list[bytes]:
        rows = np.ascontiguousarray(table)
        return [hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in rows]

    def in_common(self, draft: _Draft) -> dict[str, Any]:
        """The fields of a claim that say where its sides answered the same."""
        sides = [self._same(pairs, draft.seeds) for pairs in draft.pairs]
        if draft.kind is Interaction:
            for factor, same in zip(draft.names["factors"], sides, strict=True):
                if same == "predictions":
                    return {"same": same, "idle": factor}
            return {}
        (same,), (pairs,) = sides, draft.pairs
        if draft.kind is not LevelEffect or same == "predictions":
            return {"same": same}
        return {"same": same, "same_with": tuple(self._arms(draft.names["factor"], pairs, draft))}

    def _same(self, pairs: Sequence[tuple[Cell, Cell]], seeds: Sequence[int]) -> Same:
        if all(self._agree(self._predicted, pair, seeds) for pair in pairs):
            return "predictions"
        return "right" if all(self._agree(self._right, pair, seeds) for pair in pairs) else ""

    def _agree(
        self,
        digests: Mapping[Cell, Sequence[bytes]],
        pair: tuple[Cell, Cell],
        seeds: Sequence[int],
    ) -> bool:
        a, b = pair
        if a not in digests or b not in digests:
            return False
        of_a, of_b = self._grid.rows[a], self._grid.rows[b]
        return all(digests[a][of_a[seed]] == digests[b][of_b[seed]] for seed in seeds)

    def _arms(
        self, factor: str, pairs: Sequence[tuple[Cell, Cell]], draft: _Draft
    ) -> Iterator[tuple[str, str]]:
        """Other factors' levels with which every pair's predictions are the same."""
        for at, other in enumerate(self._grid.factors):
            if other == factor:
                continue
            for level in dict.fromkeys(a[at] for a, _ in pairs):
                here = [pair for pair in pairs if pair[0][at] == level]
                if len(here) < len(pairs) and self._same(here, draft.seeds) == "predictions":
                    yield other, level


def _with(cell: Cell, levels: Mapping[int, str]) -> Cell:
    return tuple(levels.get(at, level) for at, level in enumerate(cell))


def _contrasts(grid: _Grid, drafts: Sequence[_Draft], confidence: float) -> list[Contrast]:
    """The figures of each draft, in order; tables of one shape are analysed together."""
    alike: dict[tuple[int, float], list[int]] = {}
    for n, draft in enumerate(drafts):
        limit = 2.0 if draft.kind is Interaction else 1.0
        alike.setdefault((len(draft.seeds), limit), []).append(n)
    found: dict[int, Contrast] = {}
    for (n_seeds, limit), members in alike.items():
        at_once = max(_VALUES_AT_ONCE // (n_seeds * grid.n_images), 1)
        for start in range(0, len(members), at_once):
            batch = members[start : start + at_once]
            tables = np.stack([_differences(grid, drafts[n]) for n in batch])
            found.update(zip(batch, mean_effects(tables, confidence, limit), strict=True))
    return [found[n] for n in range(len(drafts))]


def _differences(grid: _Grid, draft: _Draft) -> NDArray[np.float64]:
    # Whole numbers until the end: equal answers then give exactly 0.
    total = np.zeros((len(draft.seeds), grid.n_images), dtype=np.int32)
    for cell, weight in draft.weights.items():
        total += weight * grid.table(cell, draft.seeds)
    return total / draft.matched


def _shares(grid: _Grid) -> dict[str, float] | None:
    varied = [at for at, levels in enumerate(grid.levels) if len(levels) > 1]
    full = list(product(*grid.levels))
    if not varied or len(full) != len(grid.tables):
        return None
    seeds = grid.shared_seeds(full)
    accuracy = np.array([grid.table(cell, seeds).mean(axis=1) for cell in full])
    if not seeds or np.ptp(accuracy) == 0:
        return None
    shape = [len(grid.levels[at]) for at in varied]
    names = [grid.factors[at] for at in varied]
    return variance_shares(accuracy.reshape(*shape, len(seeds)), names)


# --- From claims to words


def _turned(claim: Claim) -> Claim:
    """The same claim with its sides exchanged."""
    found = claim.found.reversed()
    match claim:
        case CellContrast():
            return replace(claim, found=found, a=claim.b, b=claim.a)
        case LevelEffect():
            return replace(claim, found=found, level=claim.baseline, baseline=claim.level)
        case Interaction():
            (level_i, level_j), (base_i, base_j) = claim.levels, claim.baselines
            return replace(
                claim, found=found, levels=(level_i, base_j), baselines=(base_i, level_j)
            )
    raise TypeError(f"not a claim of a report: {claim!r}")


def _verdict(claim: Claim, figures: str) -> str:
    if isinstance(claim, Interaction):
        lead, here, there = _interaction_names(claim)
        return f"{lead} is {figures} higher with {here} than with {there}"
    better, worse, beside = _sides(claim)
    return f"{better} beats {worse}{beside} by {figures}"


def _no_verdict(claim: Claim) -> str:
    if isinstance(claim, Interaction):
        lead, here, there = _interaction_names(claim)
        return f"whether {lead} differs between {here} and {there} can't be told"
    one, other, beside = _sides(claim)
    return f"{one} and {other}{beside} can't be told apart"


def _nothing_changed(claim: Claim) -> str:
    """What is said in place of a difference where the two sides answered the same."""
    scope = f"{_count(claim.found.n_seeds, 'seed')}, {_count(claim.found.n_images, 'picture')}"
    if isinstance(claim, Interaction):
        other = claim.factors[1 - claim.factors.index(claim.idle)]
        return (
            f"at these settings {claim.idle} changed no prediction, whichever {other}: there is no"
            f" interaction to be seen, {scope}"
        )
    one, other, beside = _sides(claim)
    where = ""
    if isinstance(claim, LevelEffect) and claim.possible > 1:
        kind = "matched pair" if claim.matched == claim.possible else "complete matched pair"
        where = f" in each of {_count(claim.matched, kind)} of cells"
        where = f" in the one {kind} of cells" if claim.matched == 1 else where
    if claim.same == "right":
        return (
            f"{one} and {other}{beside} were right on the very same pictures{where}, {scope}; only"
            " their wrong predictions differ"
        )
    sentence = (
        f"{one} and {other}{beside} gave the same prediction on every picture{where}, {scope}"
    )
    if isinstance(claim, LevelEffect):
        sentence += f": at these settings {claim.factor} changed no prediction"
    return sentence


def _where_nothing_changed(claim: Claim) -> str:
    """The arms in which a level made no difference to any prediction."""
    if not isinstance(claim, LevelEffect) or not claim.same_with:
        return ""
    arms = " and with ".join(_level_name(factor, level) for factor, level in claim.same_with)
    where = "" if claim.matched == claim.possible else " in these pairs"
    return f"; with {arms}, {claim.factor} changed no prediction{where}"


def _interaction_names(claim: Interaction) -> tuple[str, str, str]:
    level, here = map(_level_name, claim.factors, claim.levels)
    base, there = map(_level_name, claim.factors, claim.baselines)
    return f"{level} minus {base}", here, there


def _sides(claim: Claim) -> tuple[str, str, str]:
    """The two sides of a difference, and what they have in common."""
    if isinstance(claim, LevelEffect):
        names = (_level_name(claim.factor, level) for level in (claim.level, claim.baseline))
        return next(names), next(names), ""
    assert isinstance(claim, CellContrast)
    named = [
        (_level_name(factor, a), _level_name(factor, b))
        for factor, a, b in zip(claim.factors, claim.a, claim.b, strict=True)
    ]
    common = ", ".join(a for a, b in named if a == b)
    return (
        " + ".join(a for a, b in named if a != b),
        " + ".join(b for a, b in named if a != b),
        f" (both with {common})" if common else "",
    )


def _level_name(factor: str, level: str) -> str:
    """A level as people say it: "frozen", but "dropout=0.5"."""
    says_little = not level[:1].isalpha() or level.lower() in {"true", "false", "none", "null"}
    return f"{factor}={level}" if says_little else level


def _averaged_over(claim: Claim) -> str:
    if not isinstance(claim, LevelEffect | Interaction) or claim.possible == 1:
        return ""
    kind = "pairs" if isinstance(claim, LevelEffect) else "squares"
    if claim.matched == claim.possible:
        return f", averaged over {claim.matched} matched {kind} of cells"
    return f", averaged over {claim.matched} of {claim.possible} matched {kind} of cells"


def _figures(found: Contrast) -> str:
    """Such as "21.3 points [17.0, 25.6]"; an interval without 0 is never rounded to hold it."""
    decimals = 1
    nearest = min(abs(found.low), abs(found.high))
    while found.excludes_zero and decimals < 8 and round(100 * nearest, decimals) == 0:
        decimals += 1

    def points(fraction: float) -> str:
        rounded = round(100 * fraction, decimals) + 0.0  # + 0.0 makes -0.0 a plain 0.0.
        return f"{rounded:.{decimals}f}"

    unit = "point" if points(found.difference) == "1.0" else "points"
    return f"{points(found.difference)} {unit} [{points(found.low)}, {points(found.high)}]"


def _what_it_takes(found: Contrast, difference: float) -> str:
    points = f"{100 * difference:g}"
    task = f"to tell a difference of {points} {'point' if points == '1' else 'points'}"
    need = needed(found, difference)
    seeds = need.seeds and f"about {_rough(need.seeds)} seeds"
    pictures = need.pictures and f"{_rough(need.pictures)} pictures"
    if found.n_seeds == 1:
        if not need.pictures or need.pictures <= found.n_images:
            return f"these pictures are enough {task} on these weights; other seeds may differ"
        return (
            f"about {pictures} would be needed {task} on these weights,"
            " and more seeds to say anything about others"
        )
    if need.seeds and need.seeds <= found.n_seeds:
        return f"that is enough {task} in a single comparison"
    if seeds and pictures:
        return f"{seeds} or {pictures} would be needed {task}"
    if seeds:
        return f"{seeds} would be needed {task}; more pictures alone would not do"
    if pictures:
        return f"about {pictures} would be needed {task}; more seeds alone would not do"
    return f"neither more seeds alone nor more pictures alone would be enough {task}: it takes both"


def _rough(number: int) -> str:
    """Two digits, rounded up: an estimate of this kind knows no more."""
    step = 10 ** max(len(str(number)) - 2, 0)
    return f"{-(-number // step) * step:,}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
