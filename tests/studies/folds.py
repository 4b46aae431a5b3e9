"""Cross-validated classifiers with known truth: do the claims of `data.folds` keep their word?

Run as `python -m tests.studies.folds` from the repository's root. It takes about half an hour on
one core and writes `results/calibration/folds.csv` and `FOLDS.md`.

Nothing about folds is assumed here: in each study pictures are drawn, divided into folds, and a
classifier is trained for each fold of each cell. A picture is a normal vector around its class's
mean. The arms (levels of `transfer`) see it each through a measurement of their own, part of whose
noise they share; a level of `reg` is the penalty of a ridge regression; a run moves the weights a
little by chance, as another seed would. What such weights get right is known exactly, so the
expectation over new training sets, new seeds and new pictures is computed from thousands of
training sets without drawing a picture to judge.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import special

from ablation.report.claims.claim import CellContrast, Rules
from ablation.report.claims.comparison import compare
from tests.studies.grids import MARGIN, claims_of, true_value
from tests.studies.rows import made

Floats = NDArray[np.float64]

RESULTS = Path("results/calibration")
COMMAND = "python -m tests.studies.folds"
FACTORS = ("transfer", "reg")
#: Cells → the number of levels of transfer and of reg.
SHAPES = {2: (2, 1), 6: (3, 2), 18: (6, 3)}
#: How far the means of the two classes lie from 0, in standard deviations, by arm.
DISTANCES = {"none": (1.3,) * 6, "arms": (1.6, 1.3, 0.6, 1.5, 1.0, 0.8)}
PENALTIES = {"none": (3.0,) * 3, "arms": (3.0, 30.0, 300.0)}
#: The share of an arm's noise that all arms have in common.
COMMON = 0.6
TRAINING_SETS = 4000


@dataclass(frozen=True)
class Kind:
    """A kind of study.

    Attributes:
        cells: 2, 6 or 18.
        folds: of each division.
        divisions: of the pictures.
        pictures: of both classes together.
        effects: "none": all arms see as well and all penalties are equal; "arms": they differ.
        wobble: how far a run's weights move by chance, as a share of their length.
        dimensions: of a picture; with many, the training set decides much.
        metric: what is claimed about.
    """

    cells: int
    folds: int
    divisions: int
    pictures: int
    effects: str
    wobble: float
    dimensions: int = 20
    metric: str = "accuracy"

    @property
    def levels(self) -> list[tuple[str, str]]:
        transfer, reg = SHAPES[self.cells]
        return list(product([f"t{n}" for n in range(transfer)], [f"r{n}" for n in range(reg)]))

    @property
    def shape(self) -> tuple[int, int]:
        return SHAPES[self.cells]

    def centre(self, arm: int) -> Floats:
        """Of the class +1, as an arm sees it; that of the class -1 is its negative."""
        found = np.zeros(self.dimensions)
        found[0] = DISTANCES[self.effects][arm]
        return found

    def draw(self, rng: np.random.Generator, n: int) -> tuple[Floats, Floats]:
        """Pictures as each arm sees them, (arms, n, dimensions), and their classes, -1 and +1."""
        arms = self.shape[0]
        classes = np.where(np.arange(n) % 2, 1.0, -1.0)
        common = rng.standard_normal((n, self.dimensions))
        own = rng.standard_normal((arms, n, self.dimensions))
        seen = np.sqrt(COMMON) * common + np.sqrt(1 - COMMON) * own
        centres = np.stack([self.centre(arm) for arm in range(arms)])
        return seen + classes[:, None] * centres[:, None], classes

    def weights(self, rng: np.random.Generator, seen: Floats, classes: Floats) -> Floats:
        """Of a run of every cell, trained on these pictures: (cells, dimensions)."""
        arms, regs = self.shape
        gram = np.einsum("aid,aie->ade", seen, seen)
        moment = np.einsum("aid,i->ad", seen, classes)
        penalties = np.array(PENALTIES[self.effects][:regs])
        matrices = gram[:, None] + penalties[:, None, None] * np.eye(self.dimensions)
        found = np.linalg.solve(
            matrices, np.broadcast_to(moment[:, None, :, None], (arms, regs, self.dimensions, 1))
        )[..., 0]
        length = np.linalg.norm(found, axis=-1, keepdims=True)
        moved = rng.standard_normal(found.shape) / np.sqrt(self.dimensions)
        return (found + self.wobble * length * moved).reshape(self.cells, self.dimensions)

    def study(self, rng: np.random.Generator) -> tuple[NDArray[np.generic], NDArray[np.int64]]:
        """A study's scores, (cells, divisions, pictures), and each picture's fold by division."""
        seen, classes = self.draw(rng, self.pictures)
        of_cell = np.repeat(np.arange(self.shape[0]), self.shape[1])
        margins = np.empty((self.cells, self.divisions, self.pictures))
        folds = np.stack([self._divided(rng, classes) for _ in range(self.divisions)])
        for division, fold in product(range(self.divisions), range(self.folds)):
            judged = folds[division] == fold
            weights = self.weights(rng, seen[:, ~judged], classes[~judged])
            found = np.einsum("cid,cd->ci", seen[of_cell][:, judged], weights) * classes[judged]
            margins[:, division, judged] = found
        if self.metric == "accuracy":
            return margins > 0, folds
        return np.logaddexp(0, -SHARPNESS * margins), folds

    def _divided(self, rng: np.random.Generator, classes: Floats) -> NDArray[np.int64]:
        """The fold of each picture, the classes shared out evenly."""
        found = np.empty(self.pictures, dtype=np.int64)
        for one in (-1, 1):
            places = rng.permutation(np.flatnonzero(classes == one))
            found[places] = np.arange(len(places)) % self.folds
        return found

    def truth(self, rng: np.random.Generator) -> Floats:
        """Each cell's expected score over new training sets, seeds and pictures."""
        arms, regs = self.shape
        n = self.pictures - self.pictures // self.folds
        total = np.zeros(self.cells)
        for _ in range(TRAINING_SETS):
            weights = self.weights(rng, *self.draw(rng, n))
            centres = np.repeat([self.centre(arm) for arm in range(arms)], regs, axis=0)
            mean, spread = np.sum(weights * centres, 1), np.linalg.norm(weights, axis=1)
            if self.metric == "accuracy":
                total += special.ndtr(mean / spread)
            else:
                steps = np.linspace(-6, 6, 121)
                share = np.exp(-(steps**2) / 2) / np.exp(-(steps**2) / 2).sum()
                margins = mean[:, None] + spread[:, None] * steps
                total += np.logaddexp(0, -SHARPNESS * margins) @ share
        found = total / TRAINING_SETS
        if self.effects == "none":
            # All cells are equal by their making; the rest is the error of the simulation.
            return np.full(self.cells, found.mean())
        return found


#: Of the logit, over the margin of a regression on -1 and +1.
SHARPNESS = 3.0


def simulate(kind: Kind, studies: int, seed: int) -> dict[str, object]:
    """What becomes of the claims of this many studies of a kind."""
    rng = np.random.default_rng([seed, *repr(kind).encode()])
    values = kind.truth(rng)
    truth = dict(zip(kind.levels, map(float, values), strict=True))
    hits: list[bool] = []
    by_arms: dict[tuple[str, ...], list[bool]] = {}
    widths, false_families, false_same, cells = [], [], [], []
    rules = Rules(difference=MARGIN)
    for _ in range(studies):
        scores, folds = kind.study(rng)
        found = compare(
            dict(zip(kind.levels, scores, strict=True)),
            FACTORS,
            dict.fromkeys(kind.levels, range(kind.divisions)),
            rules=rules,
            folds=dict(enumerate(folds)),
        )
        any_false = False
        for claim in claims_of(found):
            true = true_value(claim, truth)  # type: ignore[arg-type]
            hit = claim.found.low <= true <= claim.found.high
            hits.append(hit)
            widths.append(claim.found.high - claim.found.low)
            if isinstance(claim, CellContrast):
                by_arms.setdefault(tuple(sorted((claim.a[0], claim.b[0]))), []).append(hit)
            if kind.effects == "none":
                any_false |= claim.verdict == "different"
            elif abs(true) >= MARGIN:
                false_same.append(claim.verdict == "same")
        false_families.append(any_false)
        cells += [
            one.accuracy.low <= truth[one.cell] <= one.accuracy.high  # type: ignore[index]
            for one in found.cells
        ]
    scale = 100 if kind.metric == "accuracy" else 1
    return {
        "metric": kind.metric,
        "cells": kind.cells,
        "folds": kind.folds,
        "divisions": kind.divisions,
        "pictures": kind.pictures,
        "effects": kind.effects,
        "wobble": kind.wobble,
        "dimensions": kind.dimensions,
        "studies": studies,
        "best": round(scale * float(max(values) if scale == 100 else min(values)), 3),
        "coverage": round(float(np.mean(hits)), 4),
        "worst_arms": round(min(float(np.mean(one)) for one in by_arms.values()), 4),
        "of_cells": round(float(np.mean(cells)), 4),
        "half_width": round(scale * float(np.mean(widths)) / 2, 3),
        "false_families": (
            round(float(np.mean(false_families)), 4) if kind.effects == "none" else None
        ),
        "false_same": round(float(np.mean(false_same)), 4) if false_same else None,
    }


# --- The study


def kinds() -> Iterator[Kind]:
    """Every kind of study."""
    for cells, (folds, divisions), pictures in product(
        (2, 6), ((5, 1), (10, 1), (5, 3)), (150, 400, 1000)
    ):
        for effects, wobble in product(("none", "arms"), (0.2, 0.8)):
            yield Kind(cells, folds, divisions, pictures, effects, wobble)
    for pictures, effects in product((150, 400), ("none", "arms")):
        yield Kind(6, 5, 1, pictures, effects, 0.2, dimensions=60)
        yield Kind(18, 5, 1, pictures, effects, 0.4)
        yield Kind(6, 5, 1, pictures, effects, 0.4, metric="log loss")


COLUMNS = {
    "metric": "metric", "cells": "cells", "folds": "folds", "divisions": "divisions",
    "pictures": "pictures", "effects": "effects", "wobble": "chance", "dimensions": "dimensions",
    "studies": "studies", "best": "best cell", "coverage": "coverage", "worst_arms": "worst arms",
    "of_cells": "of cells", "half_width": "half-width", "false_families": "false families",
    "false_same": "false “same”",
}  # fmt: skip


def write(rows: Sequence[dict[str, object]], command: str) -> None:
    """Write `folds.csv` and `FOLDS.md`."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    with (RESULTS / "folds.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, list(COLUMNS), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    many = [row for row in rows if row["cells"] != 2]
    few = [row for row in rows if row["cells"] == 2]
    (RESULTS / "FOLDS.md").write_text(
        f"""# Do the claims of `data.folds` keep their word?

```
{command}
```

In each row, as many studies as it says were made: pictures were drawn, divided into folds, and a
classifier was trained for each fold of each cell; the report's function made its claims. What they
are about, the expectation over new training sets, new seeds and new pictures, was computed from
{TRAINING_SETS:,} training sets. "Chance" is how far a run's weights move by chance, as a share of
their length (0.2 is about one point of accuracy, 0.8 about five); with 60 dimensions much depends
on the training set. Arms are levels of `transfer`.

- Studies of 6 and 18 cells, {len(many)} rows: coverage of all claims {_range(many, "coverage")};
  below 94 % in {_count(many, "coverage", 0, 0.94)} rows, above 97 % in
  {_count(many, "coverage", 0.9705, 2)}. Of the two arms whose pairs fare worst:
  {_range(many, "worst_arms")}. Of the cells' own intervals: {_range(many, "of_cells")}.
- Reports of them with any false claim: {_range(many, "false_families")}; more than 5.5 % in
  {_count(many, "false_families", 0.0551, 2)} rows.
- Studies of 2 cells, which learn nothing from others, {len(few)} rows: coverage
  {_range(few, "coverage")}; reports with a false claim: {_range(few, "false_families")}.
- Pairs that differ by a point or more and are called the same within one: at most
  {100 * max(_numbers(rows, "false_same")):.1f} %.

Of 300 studies of several cells, a coverage is good to about ±1 point and a share of false families
to ±2.5; of 1,000 studies of 2 cells both to ±1.4.

{_table(many)}

{_table(few)}
"""
    )


def _numbers(rows: Sequence[dict[str, object]], column: str) -> list[float]:
    return [float(str(row[column])) for row in rows if row[column] is not None]


def _range(rows: Sequence[dict[str, object]], column: str) -> str:
    values = [100 * value for value in _numbers(rows, column)]
    return f"{min(values):.1f} to {max(values):.1f} %"


def _count(rows: Sequence[dict[str, object]], column: str, low: float, high: float) -> int:
    """How many rows have a value from `low` up to `high`, the latter excluded."""
    return sum(low <= value < high for value in _numbers(rows, column))


def _table(rows: Sequence[dict[str, object]]) -> str:
    lines = ["| " + " | ".join(COLUMNS.values()) + " |", "|" + "--:|" * len(COLUMNS)]
    shares = {"coverage", "worst_arms", "of_cells", "false_families", "false_same"}
    for row in rows:
        texts = []
        for name in COLUMNS:
            value = row[name]
            is_share = name in shares and value is not None
            texts.append("" if value is None else f"{value:.1%}" if is_share else str(value))
        lines.append("| " + " | ".join(texts) + " |")
    return "\n".join(lines)


def row_of(kind: Kind, studies: int, seed: int) -> dict[str, object]:
    """A row of the table: more studies of two cells, each of which holds one claim."""
    return simulate(kind, 3 * studies if kind.cells == 2 else studies, seed)


def main() -> None:
    about = __doc__.splitlines()[0]
    write(*made(COMMAND, about, 300, list(kinds()), row_of))


if __name__ == "__main__":
    main()
