"""Simulated grids of cells with known truth: do all claims of a report keep their word?

Run as `python -m tests.studies.grids` from the repository's root. It takes half an hour to
two hours on two cores and writes `results/calibration/grids.csv` and `GRIDS.md`.

A grid has factors as studies have them: `transfer`, whose levels are the arms, `reg`, and in larger
grids an optimizer without any effect. Each picture has a difficulty that all cells share and one of
its own for each cell; each run is a little better or worse than its cell, by as much as its arm
says; each answer has noise.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from ablation.report.claims.claim import (
    CellContrast,
    Claim,
    Comparison,
    Interaction,
    LevelEffect,
    Levels,
    Rules,
)
from ablation.report.claims.comparison import compare
from ablation.report.claims.questions import is_settled, questions_of
from ablation.study.rounds import LOOKS
from tests.studies.rows import made

Floats = NDArray[np.float64]
Effects = Literal["none", "arms", "steps", "at the margin"]
Spread = Literal["equal", "unlike"]
Metric = Literal["accuracy", "log loss"]

RESULTS = Path("results/calibration")
COMMAND = "python -m tests.studies.grids"
FACTORS = ("transfer", "reg", "optimizer")
#: Cells → the number of levels of transfer, reg and optimizer.
SHAPES = {6: (3, 2, 1), 12: (3, 2, 2), 18: (3, 3, 2), 50: (5, 5, 2)}
#: Points that the levels of transfer and reg are below the first.
TRANSFER = {
    "none": (0, 0, 0, 0, 0),
    "arms": (0, 5, 32, 28, 7),  # As large as in `results/seed_grid`.
    "steps": (0, 5, 20, 25, 10),
    "at the margin": (0, 1, 2, 3, 4),
}
REG = {"none": (0,) * 5, "arms": (0,) * 5, "steps": (0, 10, 0, 0, 0), "at the margin": (0,) * 5}
BEST = {"none": 0.88, "arms": 0.93, "steps": 0.95, "at the margin": 0.9}
#: Standard deviation between seeds, in points of accuracy, by arm.
EQUAL, UNLIKE = (3,) * 5, (2, 3, 5, 4, 2.5)
MARGIN = 0.01
#: Points of true difference of the pairs whose power is told; the last also for larger ones.
POWER_AT = (5, 10, 20)
LARGE = 20


@dataclass(frozen=True)
class Grid:
    """A kind of study.

    Attributes:
        cells: 6, 12, 18 or 50.
        seeds: of each cell.
        pictures: that all runs are evaluated on.
        effects: whether levels differ; "at the margin": by the smallest difference of interest.
        spread: whether the arms' runs differ equally between seeds.
        metric: what is claimed about.
    """

    cells: int
    seeds: int
    pictures: int
    effects: Effects
    spread: Spread
    metric: Metric = "accuracy"
    picture: float = 2.5  # Standard deviations on the scale of the logit, as in `calibration`.
    own: float = 0.8
    noise: float = 0.5

    @property
    def levels(self) -> list[Levels]:
        transfer, reg, optimizer = SHAPES[self.cells]
        names = [f"t{n}" for n in range(transfer)], [f"r{n}" for n in range(reg)]
        return list(product(*names, [f"o{n}" for n in range(optimizer)]))

    @cached_property
    def accuracy(self) -> Floats:
        """Each cell's, if its runs did not differ."""
        return np.array(
            [
                BEST[self.effects]
                - (TRANSFER[self.effects][int(t[1:])] + REG[self.effects][int(r[1:])]) / 100
                for t, r, _ in self.levels
            ]
        )

    @cached_property
    def centre(self) -> Floats:
        """Of each cell, on the scale of the logit."""
        found = {
            accuracy: optimize.brentq(lambda c, a=accuracy: self._right(c) - a, -40, 40)
            for accuracy in set(self.accuracy)
        }
        return np.array([found[accuracy] for accuracy in self.accuracy])

    @cached_property
    def run(self) -> Floats:
        """Standard deviation of a cell's runs, on the scale of the logit."""
        points = np.array(
            [(EQUAL if self.spread == "equal" else UNLIKE)[int(t[1:])] for t, _, _ in self.levels]
        )
        slope = np.array(
            [(self._right(c + 0.01) - self._right(c - 0.01)) / 0.02 for c in self.centre]
        )
        return points / 100 / slope

    @cached_property
    def truth(self) -> Floats:
        """Each cell's expected score, over new seeds and new pictures."""
        spreads = np.sqrt(self._of_pictures**2 + self.run**2)
        score = special.expit if self.metric == "accuracy" else _log_loss
        return np.array(
            [_normal_mean(score, c, s) for c, s in zip(self.centre, spreads, strict=True)]
        )

    @property
    def _of_pictures(self) -> float:
        return float(np.sqrt(self.picture**2 + self.own**2 + self.noise**2))

    def _right(self, centre: float) -> float:
        return _normal_mean(special.expit, centre, self._of_pictures)

    def draw(self, rng: np.random.Generator) -> NDArray[Any]:
        """One study's scores, of shape (n_cells, n_seeds, n_pictures)."""
        shape = (self.cells, self.seeds, self.pictures)

        def normal(*shape: int) -> NDArray[np.float32]:
            return rng.standard_normal(shape, dtype=np.float32)

        eta = (self.run[:, None] * normal(*shape[:2]) + self.centre[:, None])[..., None]
        eta = eta + self.picture * normal(1, 1, self.pictures)
        eta = eta + self.own * normal(self.cells, 1, self.pictures) + self.noise * normal(*shape)
        if self.metric == "accuracy":
            return rng.random(shape, dtype=np.float32) < special.expit(eta)
        return _log_loss(eta).astype(np.float32)


def _log_loss(eta: Any) -> Any:
    """Of the true class, where its logit beside the other's is `eta`."""
    return np.logaddexp(0, -eta)


def _normal_mean(of: Any, centre: float, spread: float) -> float:
    steps = np.linspace(-7, 7, 561)
    weights = np.exp(-(steps**2) / 2)
    return float(np.sum(weights * of(centre + spread * steps)) / weights.sum())


def claims_of(found: Comparison) -> list[Claim]:
    """All claims of a report."""
    return [*found.contrasts, *found.effects, *found.interactions]


def true_value(claim: Claim, truth: Mapping[Levels, float]) -> float:
    """What a claim is about, in truth. All grids here are full, so effects are plain means."""
    match claim:
        case CellContrast():
            return truth[claim.a] - truth[claim.b]
        case LevelEffect():
            at = ("transfer", "reg", "optimizer").index(claim.factor)
            return _level(truth, {at: claim.level}) - _level(truth, {at: claim.baseline})
        case Interaction():
            i, j = (("transfer", "reg", "optimizer").index(factor) for factor in claim.factors)
            (a, b), (base_a, base_b) = claim.levels, claim.baselines
            return (
                _level(truth, {i: a, j: b})
                - _level(truth, {i: base_a, j: b})
                - _level(truth, {i: a, j: base_b})
                + _level(truth, {i: base_a, j: base_b})
            )
    raise TypeError(claim)


def _level(truth: Mapping[Levels, float], fixed: Mapping[int, str]) -> float:
    values = [
        value
        for levels, value in truth.items()
        if all(levels[at] == level for at, level in fixed.items())
    ]
    return float(np.mean(values))


class Tally:
    """What becomes of the claims of many studies of one kind."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self.truth = dict(zip(grid.levels, map(float, grid.truth), strict=True))
        self.hits: list[bool] = []
        self.widths: list[float] = []
        self.by_arms: dict[tuple[str, ...], list[bool]] = {}
        self.power: dict[int, list[bool]] = {points: [] for points in POWER_AT}
        self.large: list[bool] = []
        self.false_families: list[bool] = []
        self.false_same: list[bool] = []
        self._true: dict[tuple[Any, ...], float] = {}

    def add(self, found: Comparison) -> None:
        """Count one study."""
        any_false = False
        for claim in claims_of(found):
            true = self._true_of(claim)
            hit = claim.found.low <= true <= claim.found.high
            self.hits.append(hit)
            self.widths.append(claim.found.high - claim.found.low)
            if isinstance(claim, CellContrast):
                arms = tuple(sorted((claim.a[0], claim.b[0])))
                self.by_arms.setdefault(arms, []).append(hit)
                is_found = claim.verdict == "different" and claim.found.difference * true > 0
                for points in POWER_AT:
                    if abs(abs(100 * true) - points) < 0.7:
                        self.power[points].append(is_found)
                if abs(100 * true) > LARGE - 0.7:
                    self.large.append(is_found)
            is_null = abs(true) < 1e-6
            any_false |= is_null and claim.verdict == "different"
            if abs(true) >= MARGIN - 1e-6:
                self.false_same.append(claim.verdict == "same")
        self.false_families.append(any_false)

    def _true_of(self, claim: Claim) -> float:
        match claim:
            case CellContrast():
                key: tuple[Any, ...] = (claim.a, claim.b)
            case LevelEffect():
                key = (claim.factor, claim.level)
            case Interaction():
                key = (claim.factors, claim.levels)
        if key not in self._true:
            self._true[key] = true_value(claim, self.truth)
        return self._true[key]

    def row(self) -> dict[str, object]:
        """The shares, as fractions."""

        def share(values: Sequence[bool]) -> float | None:
            return round(float(np.mean(values)), 4) if values else None

        worst = min(self.by_arms.values(), key=lambda hits: float(np.mean(hits)))
        scale = 100 if self.grid.metric == "accuracy" else 1
        return {
            "metric": self.grid.metric,
            "cells": self.grid.cells,
            "seeds": self.grid.seeds,
            "pictures": self.grid.pictures,
            "effects": self.grid.effects,
            "spread": self.grid.spread,
            "studies": len(self.false_families),
            "coverage": share(self.hits),
            "worst_arms": share(worst),
            "half_width": round(scale * float(np.mean(self.widths)) / 2, 3),
            "false_families": share(self.false_families),
            "false_same": share(self.false_same),
            **{f"power_{points}": share(self.power[points]) for points in POWER_AT},
            "power_large": share(self.large),
        }


def simulate(grid: Grid, studies: int, seed: int) -> dict[str, object]:
    """The claims of the reports of this many studies of a kind."""
    rng = _random(grid, seed, "fixed")
    tally = Tally(grid)
    seeds = dict.fromkeys(grid.levels, range(grid.seeds))
    for _ in range(studies):
        cells = dict(zip(grid.levels, grid.draw(rng), strict=True))
        tally.add(compare(cells, FACTORS, seeds, rules=Rules(difference=MARGIN)))
    return tally.row()


def simulate_auto(grid: Grid, studies: int, seed: int) -> dict[str, object]:
    """The same where seeds are added in rounds (`seed=auto`); `grid.seeds` is the most.

    The row has the mean number of runs, beside that of as many seeds for every cell, and the share
    of the comparisons with the baseline or the best cell that ended settled.
    """
    rng = _random(grid, seed, "auto")
    tally = Tally(grid)
    n_runs, settled = [], []
    looks = [look for look in LOOKS if look <= grid.seeds]
    rules = Rules(difference=MARGIN, n_looks=len(looks))
    for _ in range(studies):
        every = dict(zip(grid.levels, grid.draw(rng), strict=True))
        has = dict.fromkeys(grid.levels, looks[0])
        for look in looks:
            found = compare(
                {cell: table[: has[cell]] for cell, table in every.items()},
                FACTORS,
                {cell: range(n) for cell, n in has.items()},
                rules=rules,
            )
            best = max(every, key=lambda cell: float(every[cell][: has[cell]].mean()))
            questions = questions_of(found, best)
            open_ones = [claim for claim in questions if not is_settled(claim)]
            if not open_ones or look == looks[-1]:
                break
            more = looks[looks.index(look) + 1]
            has.update({cell: more for claim in open_ones for cell in (claim.a, claim.b)})
        tally.add(found)
        n_runs.append(sum(has.values()))
        settled.append(1 - len(open_ones) / len(questions))
    return {
        **tally.row(),
        "seeds": f"auto, {grid.seeds} at most",
        "runs": round(float(np.mean(n_runs)), 1),
        "runs_of_fixed_seeds": grid.cells * grid.seeds,
        "settled": round(float(np.mean(settled)), 3),
    }


def _random(grid: Grid, seed: int, kind: str) -> np.random.Generator:
    words = f"{kind} {grid.metric} {grid.effects} {grid.spread}".encode()
    return np.random.default_rng([seed, grid.cells, grid.seeds, grid.pictures, *words])


# --- The study


def kinds() -> Iterator[tuple[Grid, bool]]:
    """Every kind of study, and whether its seeds are added in rounds."""
    for cells, seeds, pictures in product(SHAPES, (2, 3, 5, 10), (150, 1000)):
        for effects, spread in product(("none", "arms"), ("equal", "unlike")):
            yield Grid(cells, seeds, pictures, effects, spread), False
    for cells, seeds, pictures in product((6, 18), (3, 5, 10), (150, 1000)):
        yield Grid(cells, seeds, pictures, "steps", "unlike"), False
    for cells, seeds, pictures in product((6, 18), (3, 10), (150, 1000)):
        yield Grid(cells, seeds, pictures, "at the margin", "equal"), False
    for cells, seeds, pictures in product((6, 18), (3, 5, 10), (150, 1000)):
        yield Grid(cells, seeds, pictures, "none", "equal", "log loss"), False
        yield Grid(cells, seeds, pictures, "arms", "unlike", "log loss"), False
    for cells, pictures, effects in product((6, 18), (150, 1000), ("none", "arms")):
        yield Grid(cells, 20, pictures, effects, "unlike"), True


def row_of(kind: tuple[Grid, bool], studies: int, seed: int) -> dict[str, object]:
    """A row of the table: fewer studies of large grids, whose studies hold more claims."""
    grid, is_auto = kind
    n = studies // 3 if grid.cells == 50 or is_auto else studies
    return (simulate_auto if is_auto else simulate)(grid, n, seed)


def write(rows: Sequence[dict[str, object]], command: str) -> None:
    RESULTS.mkdir(parents=True, exist_ok=True)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with (RESULTS / "grids.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, columns, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    fixed = [row for row in rows if "runs" not in row]
    main = [row for row in fixed if row["metric"] == "accuracy"]
    loss = [row for row in fixed if row["metric"] != "accuracy"]
    auto = [row for row in rows if "runs" in row]
    parts = [
        ("No level has an effect", [row for row in main if row["effects"] == "none"]),
        ("Arms as far apart as real ones", [row for row in main if row["effects"] == "arms"]),
        ("Steps of 5, 10 and 20 points", [row for row in main if row["effects"] == "steps"]),
        (
            "Levels apart by the smallest difference of interest",
            [row for row in main if row["effects"] == "at the margin"],
        ),
        ("Log loss", loss),
        ("Seeds in rounds (`seed=auto`, 20 at most)", auto),
    ]
    tables = "\n\n".join(f"## {title}\n\n{_table(part)}" for title, part in parts)
    (RESULTS / "GRIDS.md").write_text(
        f"""# Do all claims of a report keep their word, in grids of cells?

```
{command}
```

In each row, as many simulated studies as it says, whose truth is known, were given to the function
that makes a report's claims: all pairs (above 24 cells, each with one), effects and interactions.
Arms are the levels of `transfer`. Their runs differ between seeds by 3 points each ("equal"), or by
2, 3 and 5 (and 4 and 2.5) points ("unlike"); where no level has an effect, nothing but the runs
themselves shows which.

- Coverage, over all claims of all studies: {_range(main, "coverage")} for accuracies,
  {_range(loss, "coverage")} for the log loss. Of the two arms whose pairs fare worst:
  {_range(main, "worst_arms")} and {_range(loss, "worst_arms")}. The intervals of `seed=auto`
  are of 98.75 %, as four looks share the 5 %: {_range(auto, "coverage")}.
- Reports with any false claim: {_range(main, "false_families")}; for the log loss
  {_range(loss, "false_families")}; with `seed=auto` {_range(auto, "false_families")}.
- Pairs that differ by a point or more and are called the same within one: at most
  {100 * max(_numbers(rows, "false_same")):.1f} %.
- Power at differences of 20 points and more between arms that are as far apart as real ones, with 3
  seeds:
{_power(main)}.

Of 100 studies, a coverage is good to about ±2 points and a share of false families to ±4; of 400 to
±0.9 and ±2.2; of 700 to ±0.7 and ±1.6.

- {_outside("accuracy", main)}
- {_outside("log loss", loss)}

{tables}
"""
    )


def _outside(metric: str, rows: Sequence[dict[str, object]]) -> str:
    """How many rows miss what is wanted."""
    coverage, false = _numbers(rows, "coverage"), _numbers(rows, "false_families")
    n_low = sum(round(value, 3) < 0.94 for value in coverage)
    n_high = sum(round(value, 3) > 0.97 for value in coverage)
    n_false = sum(value > 0.055 for value in false)
    return (
        f"{metric[0].upper()}{metric[1:]}, {len(rows)} rows: coverage below 94 % in {n_low}, above "
        f"97 % in {n_high}; more than 5.5 % of reports with a false claim in {n_false}."
    )


def _numbers(rows: Sequence[dict[str, object]], column: str) -> list[float]:
    return [float(str(row[column])) for row in rows if row.get(column) is not None]


def _range(rows: Sequence[dict[str, object]], column: str) -> str:
    values = [100 * value for value in _numbers(rows, column)]
    return f"{min(values):.1f} to {max(values):.1f} %"


def _power(rows: Sequence[dict[str, object]]) -> str:
    wanted = [row for row in rows if row["effects"] == "arms" and row["seeds"] == 3]
    parts = []
    for cells, pictures in product((6, 18), (150, 1000)):
        found = [row for row in wanted if (row["cells"], row["pictures"]) == (cells, pictures)]
        share = _range(found, "power_large").replace(" %", "")
        parts.append(f"  - {cells} cells, {pictures:,} pictures: {share} %")
    return "\n".join(parts)


COLUMNS = {
    "cells": "cells", "seeds": "seeds", "pictures": "pictures", "effects": "effects",
    "spread": "spread", "studies": "studies", "coverage": "coverage", "worst_arms": "worst arms",
    "half_width": "half-width", "false_families": "false families", "false_same": "false “same”",
    "power_5": "power at 5", "power_10": "at 10", "power_20": "at 20",
    "power_large": "at 20 and more",
    "runs": "runs", "runs_of_fixed_seeds": "runs of 20 seeds", "settled": "settled",
}  # fmt: skip


def _table(rows: Sequence[dict[str, object]]) -> str:
    shown = [name for name in COLUMNS if any(row.get(name) is not None for row in rows)]
    lines = [
        "| " + " | ".join(COLUMNS[name] for name in shown) + " |",
        "|" + "|".join("---" if name in ("effects", "spread") else "--:" for name in shown) + "|",
    ]
    shares = {"coverage", "worst_arms", "false_families", "false_same", "settled"}
    for row in rows:
        texts = []
        for name in shown:
            value = row.get(name)
            is_share = name in shares or name.startswith("power")
            texts.append(
                ""
                if value is None
                else f"{value:.1%}"
                if is_share
                else f"{value:,}"
                if isinstance(value, int)
                else str(value)
            )
        lines.append("| " + " | ".join(texts) + " |")
    return "\n".join(lines)


def main() -> None:
    about = __doc__.splitlines()[0]
    write(*made(COMMAND, about, 900, list(kinds()), row_of))


if __name__ == "__main__":
    main()
