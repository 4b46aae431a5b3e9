"""Simulated studies with known truth: do the report's intervals and claims keep their word?

Run as `python -m tests.studies.calibration` from the repository's root. It takes some minutes on
one core and writes `results/calibration/`. pytest collects only `test_*.py`, so not this.

A *world* says how right answers come about. In most, each picture has a difficulty that all cells
share and one of its own for each cell, each run is a little better or worse than its cell, and each
answer has noise; the worlds differ in the sizes, in the link from these to an answer, and in how
near to 100 % the cells are. The truth is the expectation over new seeds and new pictures, or, with
one seed, over new pictures given the weights; both are computed, not simulated.
"""

import argparse
import csv
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from ablation.report.claims.comparison import compare
from ablation.report.claims.statistics import contrast, mean_effects, mean_interval

RESULTS = Path("results/calibration")
COMMAND = "python -m tests.studies.calibration"
SEEDS, PICTURES = (3, 5, 10), (150, 1000)
GRID = {"transfer": ("scratch", "frozen", "full"), "reg": ("l1", "l2"), "optimizer": ("a", "b")}
CHUNK = 100  # Studies at once; 100 of 10 seeds and 1,000 pictures take about 30 MB.

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class World:
    """How answers come about; the sizes are standard deviations on the link's scale."""

    name: str
    accuracy: tuple[float, float]  # Of the two cells that are compared.
    link: Literal["logit", "probit", "beta"] = "logit"
    picture: float = 2.5  # Difficulty that all cells share ("beta": the concentration).
    own: float = 0.8  # Difficulty for one cell.
    seed: float = 0.15  # Of a cell's runs.
    shared_seed: float = 0.05  # Of all runs with the same seed.
    noise: float = 0.5  # Of one run's answer to one picture.
    ordinary: bool = True  # Of the size seen in real runs; else a harder case, apart.

    def draw(
        self,
        rng: np.random.Generator,
        accuracy: tuple[float, ...],
        n: int,
        seeds: int,
        pictures: int,
    ) -> tuple[Bools, Floats]:
        """Answers (n, cells, seeds, pictures), and each run's true accuracy (n, cells, seeds)."""
        cells = len(accuracy)

        def normal(*shape: int) -> Floats:
            return rng.standard_normal(shape, dtype=np.float32)

        if self.link == "beta":
            easiness = self._easiness(rng, accuracy, n, pictures)
            right = rng.random((n, cells, seeds, pictures), dtype=np.float32) < easiness
            return right, np.broadcast_to(np.array(accuracy)[:, None], (n, cells, seeds))

        of_pictures = np.hypot(np.hypot(self.picture, self.own), self.noise)
        of_runs = np.hypot(self.seed, self.shared_seed)
        centre = np.array(
            [self._centre(a, float(np.hypot(of_pictures, of_runs))) for a in accuracy]
        )
        run = self.seed * normal(n, cells, seeds) + self.shared_seed * normal(n, 1, seeds)
        run = run + centre[:, None]
        eta = self.picture * normal(n, 1, 1, pictures) + self.own * normal(n, cells, 1, pictures)
        eta = eta + run[..., None].astype(np.float32)
        if self.noise:
            eta += self.noise * normal(*eta.shape)
        if self.link == "probit":
            right = eta + normal(*eta.shape) > 0
        else:
            right = rng.random(eta.shape, dtype=np.float32) < special.expit(eta)
        return right, self._mean(run, float(of_pictures))

    def _easiness(
        self, rng: np.random.Generator, accuracy: tuple[float, ...], n: int, pictures: int
    ) -> Floats:
        """Of equally good cells, the same pictures are hard; of others, each has its own."""

        def beta(mean: float) -> Floats:
            shape = (n, 1, 1, pictures)
            return rng.beta(self.picture * mean, self.picture * (1 - mean), shape)

        drawn = {mean: beta(mean) for mean in dict.fromkeys(accuracy)}
        return np.concatenate([drawn[mean] for mean in accuracy], axis=1).astype(np.float32)

    def _mean(self, centre: Floats, spread: float) -> Floats:
        """The expected accuracy where the link's argument is normal around `centre`."""
        if self.link == "probit":
            return np.asarray(special.ndtr(centre / np.hypot(1, spread)))
        # The logistic's mean has no closed form. A sum in equal steps over a normal is exact to
        # 1e-7 even for the widest spread here.
        steps = np.linspace(-7, 7, 281)
        weights = np.exp(-(steps**2) / 2) / np.exp(-(steps**2) / 2).sum()
        total = np.zeros_like(centre, dtype=np.float64)
        for step, weight in zip(steps, weights, strict=True):
            total += weight * special.expit(centre + spread * step)
        return total

    def _centre(self, accuracy: float, spread: float) -> float:
        def excess(centre: float) -> float:
            return float(self._mean(np.array(centre), spread)) - accuracy

        return float(optimize.brentq(excess, -100, 100))


WORLDS = (
    World("alike", (0.90, 0.90)),
    World("apart", (0.95, 0.72), seed=0.2),
    World("near the ceiling", (0.97, 0.96), own=1.2, seed=0.2),
    World("seeds differ much", (0.88, 0.85), link="probit", picture=1.5, own=0.6, seed=0.25),
    World("seeds do not differ", (0.85, 0.85), own=0, seed=0, shared_seed=0, noise=0),
    World("easy and hard pictures", (0.93, 0.90), link="beta", picture=0.6),
    World("clear-cut pictures", (0.97, 0.94), picture=8, own=2, ordinary=False),
    World("hardly a picture differs", (0.97, 0.97), "beta", picture=0.5, ordinary=False),
    World("unstable training", (0.85, 0.70), picture=1.5, seed=1.0, ordinary=False),
)
# Worlds in which all twelve cells are equally good. With one seed "no effect" has to hold on these
# very weights, so that only a world whose seeds do not differ has none.
NULL_WORLDS = {
    "alike": (WORLDS[0], 0.90),
    "seeds differ much": (WORLDS[3], 0.85),
    "seeds do not differ": (WORLDS[4], 0.90),
}


def coverage(world: World, seeds: int, pictures: int, repeats: int, seed: int) -> dict[str, object]:
    """How often the 95 % intervals of a contrast and of a cell hold the truth."""
    rng = np.random.default_rng([seed, seeds, pictures, *world.name.encode()])
    hit, widths, cell_hit, cell_widths, spread, differing = [], [], [], [], [], []
    for n in _chunks(repeats):
        right, given_weights = world.draw(rng, world.accuracy, n, seeds, pictures)
        if seeds == 1:
            truth, cell_truth = (
                given_weights[:, 0, 0] - given_weights[:, 1, 0],
                given_weights[:, 0, 0],
            )
        else:
            truth = np.full(n, world.accuracy[0] - world.accuracy[1])
            cell_truth = np.full(n, world.accuracy[0])
        difference = right[:, 0].astype(np.int8) - right[:, 1]
        for found, true in zip(mean_effects(difference), truth, strict=True):
            hit.append(found.low <= true <= found.high)
            widths.append(found.high - found.low)
        for table, true in zip(right[:, 0], cell_truth, strict=True):
            accuracy = mean_interval(table)
            cell_hit.append(accuracy.low <= true <= accuracy.high)
            cell_widths.append(accuracy.high - accuracy.low)
        spread.append(np.std(given_weights, axis=(0, 2)).mean())
        differing.extend(np.count_nonzero(difference.any(axis=1), axis=1))
    assert contrast(right[0, 0], right[0, 1]) == mean_effects(difference)[0]
    return {
        "world": world.name,
        "accuracy_a": world.accuracy[0],
        "accuracy_b": world.accuracy[1],
        "seeds": seeds,
        "pictures": pictures,
        "repeats": repeats,
        "seed_sd_points": round(100 * float(np.mean(spread)), 2),
        "pictures_that_differ": round(float(np.median(differing))),
        "coverage": round(float(np.mean(hit)), 4),
        "mean_width_points": round(100 * float(np.mean(widths)), 2),
        "cell_coverage": round(float(np.mean(cell_hit)), 4),
        "cell_mean_width_points": round(100 * float(np.mean(cell_widths)), 2),
    }


def false_claims(
    name: str, world: World, accuracy: float, seeds: int, pictures: int, repeats: int, seed: int
) -> dict[str, object]:
    """The share of 12-cell reports that claim a difference where there is none."""
    rng = np.random.default_rng([seed, seeds, pictures, *name.encode()])
    keys = list(product(*GRID.values()))
    same_seeds = dict.fromkeys(keys, range(seeds))
    reports = 0
    for n in _chunks(repeats):
        right, _ = world.draw(rng, (accuracy,) * len(keys), n, seeds, pictures)
        for study in right:
            found = compare(dict(zip(keys, study, strict=True)), list(GRID), same_seeds)
            claims = (*found.contrasts, *found.effects, *found.interactions)
            reports += any(claim.is_significant for claim in claims)
    return {
        "world": name,
        "accuracy_a": accuracy,
        "accuracy_b": accuracy,
        "seeds": seeds,
        "pictures": pictures,
        "repeats": repeats,
        "reports_with_a_claim": round(reports / repeats, 4),
    }


def _chunks(repeats: int) -> Iterator[int]:
    for start in range(0, repeats, CHUNK):
        yield min(CHUNK, repeats - start)


def write(
    covered: list[dict[str, object]], claimed: list[dict[str, object]], repeats: int, seed: int
) -> None:
    RESULTS.mkdir(parents=True, exist_ok=True)
    columns = list(dict.fromkeys(name for row in (*covered, *claimed) for name in row))
    with (RESULTS / "calibration.csv").open("w", newline="") as file:
        rows = csv.DictWriter(file, columns, lineterminator="\n")
        rows.writeheader()
        rows.writerows((*covered, *claimed))

    ordinary = {world.name for world in WORLDS if world.ordinary}
    several = [row for row in covered if row["seeds"] != 1]
    main = [row for row in several if row["world"] in ordinary]
    hard = [row for row in several if row["world"] not in ordinary]
    single = [row for row in covered if row["seeds"] == 1]
    (RESULTS / "README.md").write_text(
        f"""# Do the report's intervals and claims keep their word?

```
{COMMAND}{"" if (repeats, seed) == (2000, 0) else f" --repeats {repeats} --seed {seed}"}
```

Studies were simulated whose truth is known, {repeats:,} for each row, and given to the functions
that write the report. In studies like real ones, the 95 % interval of a difference between two
cells held the truth, which is the expected difference over new seeds and new pictures, in
{_range(main, "coverage")} of them; the interval of one cell's accuracy did in
{_range(main, "cell_coverage")}. Of reports of 12 cells (3 × 2 × 2, so {_family_size()} claims)
that are all equally good, {_range(claimed, "reports_with_a_claim")} claimed any difference. With
one seed the interval is for new pictures on these weights only, and held that truth in
{_range(single, "coverage")}. In harder worlds it was
{_range(hard, "coverage")}: cells that differ on
fewer than about ten pictures have few possible results, and most intervals are too long; where
the few that differ do so under every seed, some are a little too short.
One row's coverage is good to about ±{100 * 1.96 * np.sqrt(0.05 * 0.95 / repeats):.1f} points.

## Studies like real ones

{_coverage_table(main)}

## Harder ones

Almost every picture is either right or wrong under every seed; the cells differ on hardly a
picture; one seed's accuracy is far from another's.

{_coverage_table(hard)}

## One seed: new pictures, given the weights

{_coverage_table(single)}

## Reports without any true difference

{_claims_table(claimed)}
"""
    )


def _range(rows: list[dict[str, object]], column: str) -> str:
    values = [100 * float(str(row[column])) for row in rows]
    return f"{min(values):.1f} to {max(values):.1f} %"


def _family_size() -> int:
    keys = list(product(*GRID.values()))
    table = np.ones((1, 1), dtype=bool)
    return compare(dict.fromkeys(keys, table), list(GRID), {key: [0] for key in keys}).n_claims


def _coverage_table(rows: list[dict[str, object]]) -> str:
    head = (
        "| world | true accuracies | seeds | pictures | seed sd | pictures that differ "
        "| coverage | mean width | coverage, one cell | mean width |\n"
        "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|\n"
    )
    return head + "\n".join(
        f"| {row['world']} | {row['accuracy_a']:.0%} and {row['accuracy_b']:.0%} "
        f"| {row['seeds']} | {row['pictures']:,} | {row['seed_sd_points']:.1f} "
        f"| {row['pictures_that_differ']} | **{row['coverage']:.1%}** "
        f"| {row['mean_width_points']:.1f} | {row['cell_coverage']:.1%} "
        f"| {row['cell_mean_width_points']:.1f} |"
        for row in rows
    )


def _claims_table(rows: list[dict[str, object]]) -> str:
    head = (
        "| world | true accuracy | seeds | pictures | reports that claim anything |\n"
        "|---|--:|--:|--:|--:|\n"
    )
    return head + "\n".join(
        f"| {row['world']} | {row['accuracy_a']:.0%} | {row['seeds']} | {row['pictures']:,} "
        f"| **{row['reports_with_a_claim']:.1%}** |"
        for row in rows
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=2000, help="simulated studies a row")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    repeats, seed = arguments.repeats, arguments.seed

    started = time.monotonic()
    covered, claimed = [], []
    for world in WORLDS:
        for seeds, pictures in product((*SEEDS, 1), PICTURES):
            covered.append(coverage(world, seeds, pictures, repeats, seed))
            print(f"{time.monotonic() - started:5.0f} s", *covered[-1].values(), flush=True)
    for name, (world, accuracy) in NULL_WORLDS.items():
        for seeds, pictures in product(SEEDS if world.seed else (*SEEDS, 1), PICTURES):
            claimed.append(false_claims(name, world, accuracy, seeds, pictures, repeats, seed))
            print(f"{time.monotonic() - started:5.0f} s", *claimed[-1].values(), flush=True)
    write(covered, claimed, repeats, seed)


if __name__ == "__main__":
    os.nice(10)
    main()
