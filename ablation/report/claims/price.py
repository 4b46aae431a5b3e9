"""What more seeds cost, from the times that the study's own runs took."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ablation.report.claims.words import about, count
from ablation.study.record import Run

#: With fewer seeds no claim is made about levels; with this many the most is learned for the price.
WANTED_SEEDS = 3


@dataclass(frozen=True)
class Price:
    """What it takes to judge a study of one seed.

    Attributes:
        override: the part of the command that sets the seeds.
        n_runs: that it adds; what is finished is not trained again.
        seconds: that these take, at the pace of the study so far; None where that is not known.
    """

    override: str
    n_runs: int
    seconds: float | None

    def __str__(self) -> str:
        time = "" if self.seconds is None else f", {about(self.seconds)}"
        return f"`{self.override}` adds {count(self.n_runs, 'run')}{time}"


def seconds_of_run(runs: Iterable[Run]) -> float | None:
    """How long the study was at work for each of these runs; None where no times are known.

    Runs that were trained side by side share their time.
    """
    spans = sorted((run.start, run.end) for run in runs if run.end is not None)
    busy, end = 0, 0
    for start, stop in spans:
        busy += max(stop - max(start, end), 0)
        end = max(end, stop)
    return busy / 1000 / len(spans) if busy else None


def of_seeds(seeds: Sequence[int], n_cells: int, seconds: float | None) -> Price | None:
    """What the seeds cost that a study lacks; None where it has enough.

    Args:
        seeds: that each cell has.
        n_cells: of the study.
        seconds: that one run takes.
    """
    lacking = WANTED_SEEDS - len(seeds)
    if lacking <= 0 or len(seeds) >= 2:
        return None
    first = min(seeds, default=0)
    if first == 0:
        override = f"seed='range({WANTED_SEEDS})'"
    else:
        override = f"seed={','.join(str(first + n) for n in range(WANTED_SEEDS))}"
    n_runs = lacking * n_cells
    return Price(override, n_runs, None if seconds is None else n_runs * seconds)
