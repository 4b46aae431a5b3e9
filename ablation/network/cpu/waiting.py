"""How the threads that compute wait for each other: awake on an idle machine, asleep on a busy one.

GNU's OpenMP, with which torch and numba compute on Linux, lets a thread that waits for the others
turn in an empty loop for milliseconds. On an idle machine that is the fastest way to wait. Beside
other work it is the slowest: the core that the loop keeps busy is the one that the others wait
for, and a training takes ten times as long. tests/benchmarks/busy.py measures both.

OpenMP itself shortens the loop, to a hundred turns, while a process has more of its threads than
the machine has cores (libgomp's manual, GOMP_SPINCOUNT). So a second, sleeping team of threads is
held while other processes compute, and let go when they don't.
"""

import atexit
import contextlib
import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path

#: Seconds between two looks at what other processes compute.
INTERVAL = 0.5
#: Cores that others use from which on the machine is busy, and below which it is idle again.
BUSY, IDLE = 0.3, 0.15

_STAT = Path("/proc/stat")


def watch(environment: Mapping[str, str] = os.environ) -> "Watch | None":
    """Start to adapt, unless a person has decided or the system can't tell.

    Args:
        environment: where OMP_WAIT_POLICY or GOMP_SPINCOUNT decide for good.
    """
    if {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & set(environment) or not _STAT.exists():
        return None
    started = Watch()
    started.start()
    # A thread that is inside torch when Python ends would abort the process.
    atexit.register(started.close)
    return started


class Watch(threading.Thread):
    """Looks at the machine, and holds the sleeping team while it is busy.

    Attributes:
        is_busy: what it last found; True at the start, until it is known better.
    """

    def __init__(self) -> None:
        super().__init__(name="waiting", daemon=True)
        self.is_busy = True
        self._team: _Team | None = None
        self._end = threading.Event()

    def run(self) -> None:
        # A system that stops telling is left as it is.
        with contextlib.suppress(OSError):
            self._adapt()

    def _adapt(self) -> None:
        self._hold()
        before = usage()
        while not self._end.wait(INTERVAL):
            now = usage()
            cores = others(before, now)
            before = now
            if cores > BUSY:
                self.is_busy = True
            elif cores < IDLE:
                self.is_busy = False
            self._hold()

    def close(self) -> None:
        """End it, and the team that it may hold."""
        self._end.set()
        self.join()
        self.is_busy = False
        self._hold()

    def _hold(self) -> None:
        if self.is_busy and self._team is None:
            self._team = _Team()
            self._team.start()
        elif not self.is_busy and self._team is not None:
            self._team.let_go()
            self._team = None


class _Team(threading.Thread):
    """A thread with an OpenMP team of its own, which sleeps until it is let go."""

    def __init__(self) -> None:
        super().__init__(name="waiting-team", daemon=True)
        self._end = threading.Event()

    def run(self) -> None:
        import torch

        # A parallel loop, however short, makes the team; it lives as long as this thread.
        torch.zeros(1 << 20).add_(1)
        self._end.wait()

    def let_go(self) -> None:
        self._end.set()
        self.join()


def usage() -> tuple[float, float, float]:
    """Seconds: of the clock, that all processes computed on our cores, that this one did."""
    ours = {f"cpu{number}" for number in os.sched_getaffinity(0)}
    ticks = 0
    for line in _STAT.read_text().splitlines():
        name, *numbers = line.split()
        if name in ours:
            # Of user, nice, system, idle, iowait, irq and softirq, all but the two that are idle.
            spent = [int(number) for number in numbers[:7]]
            ticks += sum(spent) - spent[3] - spent[4]
    return time.monotonic(), ticks / os.sysconf("SC_CLK_TCK"), time.process_time()


def others(before: tuple[float, float, float], now: tuple[float, float, float]) -> float:
    """Cores that other processes used between two looks; see `usage`."""
    clock, everyone, own = (after - first for first, after in zip(before, now, strict=True))
    return max(0.0, everyone - own) / max(clock, 1e-9)
