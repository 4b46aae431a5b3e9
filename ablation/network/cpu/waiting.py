"""How computing threads wait for each other: spinning on an idle machine, asleep on a busy one.

torch and numba compute on Linux with GNU's OpenMP. It lets a thread that waits for the others spin
in an empty loop for milliseconds. On an idle machine nothing is faster. Beside other work nothing
is slower: the spinning thread takes the core that the threads it waits for need, and an epoch takes
several times as long. tests/benchmarks/busy.py measures both. Other work is that of other
processes, and that of this process's threads that write results and make views beside the training:
where runs are short, writing takes as long as training.

OpenMP itself shortens the loop to a hundred turns while a process has more OpenMP threads than the
machine has cores (libgomp's manual, GOMP_SPINCOUNT). So while others compute, a second
team of threads is kept, which sleeps; when they stop, it is released.
"""

import atexit
import contextlib
import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path

#: Seconds between two measurements of what other processes compute.
INTERVAL = 0.5
#: The machine is busy when others use more cores than the first, and idle below the second.
BUSY, IDLE = 0.3, 0.15

#: How the names of threads begin that work beside the training.
BESIDE = ("tracking", "views")

_STAT, _THREADS = Path("/proc/stat"), Path("/proc/self/task")


def watch(environment: Mapping[str, str] = os.environ) -> "Watch | None":
    """Start to adapt the waiting of this process's threads, once in a process.

    Args:
        environment: OMP_WAIT_POLICY or GOMP_SPINCOUNT in it mean that a person has decided how
            threads wait, and nothing is started.

    Returns:
        The watch of this process; None where a person has decided, or where the system does not
        tell what other processes compute.
    """
    if {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & set(environment) or not _STAT.exists():
        return None
    for thread in threading.enumerate():
        if isinstance(thread, Watch):
            return thread
    started = Watch()
    started.start()
    # A thread that is inside torch when Python ends would abort the process.
    atexit.register(started.close)
    return started


class Watch(threading.Thread):
    """Measures what others compute, and keeps the sleeping team while they do.

    Attributes:
        is_busy: what it last found. True at the start, until the first measurement.
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
        """End this thread, and release the team if it is kept."""
        self._end.set()
        self.join()
        self.is_busy = False
        self._hold()

    def _hold(self) -> None:
        if self.is_busy and self._team is None:
            self._team = _Team()
            self._team.start()
        elif not self.is_busy and self._team is not None:
            self._team.release()
            self._team = None


class _Team(threading.Thread):
    """A thread with an OpenMP team of its own, which sleeps until it is released."""

    def __init__(self) -> None:
        super().__init__(name="waiting-team", daemon=True)
        self._end = threading.Event()

    def run(self) -> None:
        import torch

        # Any parallel loop creates the team. It lives as long as this thread.
        torch.zeros(1 << 20).add_(1)
        self._end.wait()

    def release(self) -> None:
        self._end.set()
        self.join()


def usage() -> tuple[float, float, float]:
    """The time, and how much was computed on the cores that this process may use.

    Returns:
        Seconds: of the clock, that all processes computed, that this process computed, less what
        its threads did beside the training.
    """
    ours = {f"cpu{number}" for number in os.sched_getaffinity(0)}
    ticks = 0
    for line in _STAT.read_text().splitlines():
        name, *numbers = line.split()
        if name in ours:
            # user, nice, system, idle, iowait, irq, softirq: all but the fourth and fifth are use.
            spent = [int(number) for number in numbers[:7]]
            ticks += sum(spent) - spent[3] - spent[4]
    own = time.process_time() - _beside()
    return time.monotonic(), ticks / os.sysconf("SC_CLK_TCK"), own


def _beside() -> float:
    """Seconds that this process's threads computed beside the training."""
    ticks = 0
    for thread in threading.enumerate():
        if thread.name.startswith(BESIDE):
            # A thread may have ended meanwhile.
            with contextlib.suppress(OSError):
                told = (_THREADS / str(thread.native_id) / "stat").read_text()
                # After the name in brackets: state, eleven others, then user and system.
                ticks += sum(map(int, told.rpartition(")")[2].split()[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def others(before: tuple[float, float, float], now: tuple[float, float, float]) -> float:
    """How many cores others used between two results of `usage`."""
    clock, everyone, own = (after - first for first, after in zip(before, now, strict=True))
    return max(0.0, everyone - own) / max(clock, 1e-9)
