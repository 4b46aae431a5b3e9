"""What a command does to its own process, so that it starts, trains and ends sooner."""

import contextlib
import ctypes
import gc
import sys
from collections.abc import Iterator

#: Of GNU's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4


@contextlib.contextmanager
def command() -> Iterator[None]:
    """Around a whole command.

    Its imports make a million objects that live to its end, and the garbage collector looks through
    them again and again on the way in, and once more on the way out, for more than two seconds.
    """
    gc.disable()
    try:
        yield
    finally:
        imported()


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
