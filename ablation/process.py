"""What a command does to its own process: to start, train and end sooner, and to end in words."""

import contextlib
import ctypes
import gc
import sys
from collections.abc import Iterator

from ablation.config import ConfigError

#: Of GNU's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4


@contextlib.contextmanager
def command(stopped: str = "stopped") -> Iterator[None]:
    """Around a whole command: a mistake ends it with 1, a person who stops it with 130.

    Its imports make a million objects that live to its end, and the garbage collector looks through
    them again and again on the way in, and once more on the way out, for more than two seconds.

    Args:
        stopped: what is said to the person.
    """
    gc.disable()
    try:
        yield
    except ConfigError as error:
        _say_wrong(str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        _say_wrong(stopped)
        sys.exit(130)
    finally:
        imported()


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
