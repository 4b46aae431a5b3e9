"""A command's own process: its memory, its signals, and how it ends with a message."""

import collections
import contextlib
import ctypes
import functools
import gc
import os
import shlex
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, TypeVar

from ablation.errors import ConfigError, brief

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Executor, Future

T = TypeVar("T")
Item = TypeVar("Item")

#: Options of `mallopt`, as in GNU's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4

#: One Ctrl-C may arrive twice, from the terminal and from a parent process that forwards it.
SAME_PRESS_SECONDS = 0.5
#: A thread that waits for another looks this often whether it was stopped.
WAIT_SECONDS = 0.1
#: The signal by which submitit, and Slurm for it, tells a job that its time is nearly up.
NOTICE = f"SIG{os.environ.get('SUBMITIT_PREEMPT_SIGNAL', 'USR2')}"
#: What takes longer than this share of the time after a notice is not finished after it.
SHARE_AFTER_NOTICE = 0.5
#: The environment variable with which a person asks Hydra, and so this command, for a traceback.
WANTS_TRACEBACK = "HYDRA_FULL_ERROR"


@contextlib.contextmanager
def command(stopped: str = "stopped") -> Iterator[None]:
    """Around a whole command: a mistake ends it with exit code 1, Ctrl-C with 130.

    Garbage collection is off until `imports_done`: the imports create a million objects that live
    to the end, and scanning them again and again takes more than two seconds.

    Args:
        stopped: what a person who stops it is told.
    """
    wants_traceback = os.environ.get(WANTS_TRACEBACK) == "1"
    gc.disable()
    try:
        yield
    except ConfigError as error:
        _say_wrong(str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        _say_wrong(stopped)
        sys.exit(130)
    # An unexpected error is told in one line too.
    except Exception as error:
        if wants_traceback:
            raise
        _say_wrong(f"{brief(error)} ({WANTS_TRACEBACK}=1 shows where)")
        sys.exit(1)
    finally:
        imports_done()


def stop_on_signals(*names: str) -> None:
    """Let SIGTERM and SIGHUP stop the command as Ctrl-C does.

    The first signal raises KeyboardInterrupt, after which the finished runs are reported; the
    second ends the process and its child processes at once. A signal that is ignored, as under
    nohup, stays ignored.

    Args:
        names: the signals that stop it; all three where none is named.
    """
    stop = _Stop()
    for name in names or ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, stop)


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """A section that no signal of `stop_on_signals` leaves half done: the command stops after it.

    For whatever takes a lock that other threads need. In Python's own `Condition`, and so in every
    `Future`, a KeyboardInterrupt that comes just after the lock was taken leaves it locked for
    ever, and whoever waits for that thread waits for ever, too.
    """
    stop = _stop()
    if stop is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    stop.n_sections += 1
    try:
        yield
    finally:
        stop.n_sections -= 1
        if stop.is_due and not stop.n_sections:
            stop.is_due = False
            raise KeyboardInterrupt(stop.why)


def is_stopped() -> bool:
    """Whether a signal has stopped the command; some libraries raise other errors after it."""
    stop = _stop()
    return stop is not None and stop.first is not None


@contextlib.contextmanager
def heeding_notice(seconds: float) -> Iterator[None]:
    """Around a task in a launcher's job: a notice that its time is up stops the task first.

    Submitit's own handler puts the job back into the queue and exits, wherever the process is:
    with a lock that another thread needs, and a run that would stay under way in the store. So the
    notice raises KeyboardInterrupt, as Ctrl-C does, and that handler is called after the task.
    Where no handler waits for a notice, nothing is changed.

    Args:
        seconds: from a notice to the end of the job.

    Raises:
        SystemExit: the launcher's, when the job is in the queue again.
        Exception: the launcher's, where the job is not to go on.
    """
    number = getattr(signal, NOTICE, None)  # Windows has none
    handler = None if number is None else signal.getsignal(number)
    if number is None or not callable(handler):
        yield
        return
    notice = _Notice(seconds)
    signal.signal(number, notice)
    try:
        yield
    except KeyboardInterrupt:
        if notice.first is None:
            raise
    finally:
        signal.signal(number, handler)
    if notice.first is not None:
        handler(number, None)


@contextlib.contextmanager
def before_notice(seconds: float) -> Iterator[None]:
    """A section that a notice does not leave half done, where it is short enough.

    Args:
        seconds: that it will probably take.
    """
    stop = _stop()
    is_short = isinstance(stop, _Notice) and seconds <= SHARE_AFTER_NOTICE * stop.seconds
    with uninterrupted() if is_short else contextlib.nullcontext():
        yield


def is_noticed() -> bool:
    """Whether a notice has come, and the task stops at the end of the section that it is in."""
    stop = _stop()
    return isinstance(stop, _Notice) and stop.is_due


def _stop() -> "_Stop | None":
    """What stops this process: Ctrl-C in a command, a notice in a launcher's job."""
    numbers = (getattr(signal, name, None) for name in ("SIGINT", NOTICE))
    handlers = (signal.getsignal(number) for number in numbers if number is not None)
    return next((one for one in handlers if isinstance(one, _Stop)), None)


def result(future: "Future[T]") -> T:
    """A future's result; Ctrl-C ends the waiting without harm to the future.

    Raises:
        Exception: the future's own.
    """
    while True:
        with uninterrupted():
            with contextlib.suppress(TimeoutError):
                return future.result(timeout=WAIT_SECONDS)
            if future.done():  # It failed with a TimeoutError of its own.
                return future.result()


def results(
    pool: "Executor", task: "Callable[[Item], T]", items: "Iterable[Item]"
) -> "Iterator[T]":
    """What a task gives for each item, in their order; Ctrl-C does no harm to the pool's threads.

    Raises:
        Exception: the task's own.
    """
    with uninterrupted():
        waiting = collections.deque(pool.submit(task, item) for item in items)
    try:
        while waiting:
            yield result(waiting.popleft())
    finally:
        with uninterrupted():
            for future in waiting:
                future.cancel()


class _Stop:
    """Handles the signals that stop a command.

    Attributes:
        first: when the first signal came; None before.
        n_sections: sections that must not be interrupted and have begun, one inside the other.
        is_due: whether the command is to be stopped at the end of the outermost one.
        why: what is kept of it with a run that it cuts off.
    """

    why = "stopped by hand"
    said = b"stopping; a second Ctrl-C ends at once\n"

    def __init__(self) -> None:
        self.first: float | None = None
        self.n_sections = 0
        self.is_due = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.first is None:
            self.first = now
            # Not with print: the signal may have interrupted another print.
            with contextlib.suppress(OSError):
                os.write(2, self.said)
            if self.n_sections:
                self.is_due = True
            else:
                raise KeyboardInterrupt(self.why)
        elif now - self.first > SAME_PRESS_SECONDS:
            self.again()

    def again(self) -> None:
        """A further signal has come."""
        _end_at_once()


class _Notice(_Stop):
    """Handles a launcher's notice; a further one says nothing new."""

    why = "the time of its job was up"
    said = b"the time of this job is up; it stops, and goes on when it is started again\n"

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    def again(self) -> None:
        pass


def _end_at_once() -> None:
    import psutil

    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    os._exit(130)


def _say_wrong(message: str) -> None:
    from rich.console import Console

    console = Console(stderr=True, soft_wrap=True, highlight=False)
    console.print("[bold red]error[/]: ", end="")
    console.print(message, markup=False)


def imports_done() -> None:
    """Turn garbage collection on, for the objects that are created from here on."""
    gc.freeze()
    gc.enable()


@contextlib.contextmanager
def many_objects() -> Iterator[None]:
    """Around what makes a million objects that live on: they are not scanned for garbage.

    Scanning them again and again, while they become more, takes a fifth of the time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


def keep_memory() -> None:
    """Let the C library keep freed memory for the next allocation (on Linux with GNU's malloc).

    Otherwise the feature maps of a training step, hundreds of megabytes, go back to the system and
    are mapped in again page by page in every step: a fifth of its time on a CPU.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # a C library other than GNU's
            mallopt = ctypes.CDLL(None).mallopt
            mallopt(M_MMAP_MAX, 0)
            mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


@functools.cache
def started() -> float:
    """When this was first asked for, on the clock of `time.monotonic`: the start of a command."""
    return time.monotonic()


def forget_peak_memory() -> None:
    """Start to measure the most memory that this process holds anew (on Linux)."""
    with contextlib.suppress(OSError, AttributeError):
        # What was freed belongs to the runs before; with `keep_memory` it would still be held.
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory_mb() -> float | None:
    """The most memory that this process has held since `forget_peak_memory`; None if not known."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1000
    return None


def command_line(arguments: Sequence[str] | None = None) -> str:
    """The command as it was typed, for the tags of its runs.

    Args:
        arguments: its arguments, in the process that was given them; child processes find the
            command in the environment variable ABLATION_COMMAND.
    """
    if arguments is not None:
        os.environ["ABLATION_COMMAND"] = f"python -m ablation {shlex.join(arguments)}".strip()
    return os.environ.get("ABLATION_COMMAND", shlex.join(sys.argv))
