"""What a command does to its own process: to start, train and end sooner, and to end in words."""

import contextlib
import ctypes
import gc
import os
import shlex
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from types import FrameType

from ablation.errors import ConfigError, brief

#: Of GNU's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4


#: A key press reaches a process twice where what started it hands it on.
SAME_PRESS_SECONDS = 0.5
#: Set by a person who wants a traceback, as for any command of Hydra's.
WANTS_TRACEBACK = "HYDRA_FULL_ERROR"


@contextlib.contextmanager
def command(stopped: str = "stopped") -> Iterator[None]:
    """Around a whole command: a mistake ends it with 1, a person who stops it with 130.

    Its imports make a million objects that live to its end, and the garbage collector looks through
    them again and again on the way in, and once more on the way out, for more than two seconds.

    Args:
        stopped: what is said to the person.
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
    # What nobody foresaw is no riddle of a hundred lines either.
    except Exception as error:
        if wants_traceback:
            raise
        _say_wrong(f"{brief(error)} ({WANTS_TRACEBACK}=1 shows where)")
        sys.exit(1)
    finally:
        imported()


def stop_on_signals() -> None:
    """Let a key press or a scheduler stop the command as a person would: Ctrl-C, SIGTERM, SIGHUP.

    The first raises KeyboardInterrupt, after which what has finished is reported; the second ends
    the process at once, and the processes that it started. What is ignored stays so (nohup, &).
    """
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _Stop.at)


class _Stop:
    """When the first signal came."""

    first: float | None = None

    @classmethod
    def at(cls, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if cls.first is None:
            cls.first = now
            # Not by print: the signal may have come in the middle of another.
            with contextlib.suppress(OSError):
                os.write(2, b"stopping; a second Ctrl-C ends at once\n")
            raise KeyboardInterrupt
        if now - cls.first > SAME_PRESS_SECONDS:
            _end_at_once()


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


def imported() -> None:
    """From here on there may be garbage; what is there already is none."""
    gc.freeze()
    gc.enable()


def keep_memory() -> None:
    """Let freed memory be used again, not given back to the system.

    The maps of a training step, hundreds of megabytes, would else be faulted in again page by page
    in every step: a fifth of its time on a CPU.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # a C library other than GNU's
            mallopt = ctypes.CDLL(None).mallopt
            mallopt(M_MMAP_MAX, 0)
            mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def command_line(arguments: Sequence[str] | None = None) -> str:
    """The command as it was typed; kept for child processes in ABLATION_COMMAND."""
    if arguments is not None:
        os.environ["ABLATION_COMMAND"] = f"python -m ablation {shlex.join(arguments)}".strip()
    return os.environ.get("ABLATION_COMMAND", shlex.join(sys.argv))
