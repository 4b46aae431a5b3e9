"""What a study was asked for and what has become of it: the plan and the ledger.

Each command leaves its plan with the study's experiment in MLflow, so that a run that was never
logged is still known to be missing.
"""

import itertools
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from ablation import process
from ablation.study import diverged, overrides
from ablation.study.grid import Grid
from ablation.study.record import UNDER_WAY, Run


@dataclass(frozen=True)
class Plan:
    """The runs that one command asked for.

    Attributes:
        command: as it was typed.
        axes: what is swept → its levels or values; the runs are their product, in order.
        fingerprints: one a run.
        looks: where seeds are added in rounds, the numbers of seeds at which the report looks.
    """

    command: str
    axes: Mapping[str, Sequence[str]]
    fingerprints: Sequence[str]
    looks: tuple[int, ...] = ()

    def varied(self) -> dict[str, dict[str, str]]:
        """Fingerprint → the level or value on each axis."""
        combinations = itertools.product(*self.axes.values())
        return {
            fingerprint: dict(zip(self.axes, values, strict=True))
            for fingerprint, values in zip(self.fingerprints, combinations, strict=True)
        }


@dataclass
class Ledger:
    """Every run that was asked for or logged, sorted by what has become of it.

    Attributes:
        planned: fingerprint → the level or value on each axis.
        finished: fingerprint → the runs that finished, the newest first; only the newest counts.
        diverged: fingerprint → the newest run, where it diverged and none finished. An earlier
            version logged such a run as finished.
        failed: fingerprint → the newest run that failed or was killed, where none finished.
        running: fingerprint → the newest run, where it is under way and none finished.
        missing: fingerprints of runs that were asked for and never logged.
    """

    planned: dict[str, dict[str, str]]
    finished: dict[str, list[Run]] = field(default_factory=dict)
    diverged: dict[str, Run] = field(default_factory=dict)
    failed: dict[str, Run] = field(default_factory=dict)
    running: dict[str, Run] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Whether all runs have finished."""
        return not (self.diverged or self.failed or self.running or self.missing)


def plan_of(grid: Grid) -> Plan:
    """The plan of a command, which is kept with the study."""
    axes = {
        axis.lstrip("+"): [overrides.plain(value) for value in values]
        for axis, values in grid.axes.items()
    }
    looks = grid.auto.looks if grid.auto else ()
    return Plan(process.command_line(), axes, [run.fingerprint for run in grid.runs], looks)


def ledger(plans: Sequence[Plan], runs: Sequence[Run]) -> Ledger:
    """Compare what was asked for with what was logged.

    Args:
        plans: of the study's commands.
        runs: all that were logged, the oldest first.
    """
    planned: dict[str, dict[str, str]] = {}
    for plan in plans:
        planned.update(plan.varied())
    book = Ledger(planned)
    by_fingerprint: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        by_fingerprint[run.tags.get("fingerprint", run.id)].insert(0, run)
    for fingerprint, newest_first in by_fingerprint.items():
        why = {run.id: diverged.reason(run) for run in newest_first}
        done = [run for run in newest_first if run.status == "FINISHED" and not why[run.id]]
        newest = newest_first[0]
        if done:
            book.finished[fingerprint] = done
        elif newest.status in UNDER_WAY:
            book.running[fingerprint] = newest
        elif why[newest.id]:
            book.diverged[fingerprint] = newest
        else:
            book.failed[fingerprint] = newest
    book.missing = [name for name in planned if name not in by_fingerprint]
    return book


def exit_code(*, is_complete: bool, faults: Collection[str]) -> int:
    """The exit code of a command some of whose runs have finished.

    Args:
        is_complete: whether all runs have finished that were asked for.
        faults: a sentence on each thing that makes the results other than what was asked for.

    Returns:
        0 where all is well, else 2.
    """
    return 0 if is_complete and not faults else 2
