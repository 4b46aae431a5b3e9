"""What a process of a Ray cluster does for one run."""

import contextlib
import io
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ablation import process


@dataclass(frozen=True)
class Place:
    """Where a run is trained as if it were in the command's own process.

    Attributes:
        folder: the command's.
        environment: variables that it may have changed since the process started.
    """

    folder: str
    environment: Mapping[str, str]


def work(order: Callable[[], Any], place: Place, lines: Any) -> Any:
    """Train a run.

    Args:
        order: trains it; what it returns is returned.
        place: where.
        lines: the queue of what is shown, a `ray.util.queue.Queue`.

    Raises:
        OSError: there is no such folder on this machine.
        KeyboardInterrupt: the run was stopped.
    """
    # Ray stops a task as Ctrl-C would; its own handler of SIGTERM ends the process, and stays.
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored, where nohup started it
    process.stop_on_signals("SIGINT")
    os.environ |= place.environment
    os.chdir(place.folder)
    with _shown(lines):
        return order()


@contextlib.contextmanager
def _shown(lines: Any) -> Iterator[None]:
    """Whatever is printed meanwhile is handed on, line by line."""
    told = _Told(lines)
    with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
        yield
    told.end()


class _Told(io.TextIOBase):
    """A file that puts its lines into a queue."""

    def __init__(self, lines: Any) -> None:
        self._lines = lines
        self._begun = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *whole, self._begun = (self._begun + text).split("\n")
        for line in whole:
            # It waits until the line has arrived: the last one must not come after the result. Not
            # with `put`: while a task waits so, Ray gives its CPUs to another one.
            process.result(self._lines.actor.put_nowait.remote(line).future())
        return len(text)

    def end(self) -> None:
        """Hand on a last line without an end."""
        if self._begun:
            self.write("\n")


#: Variables that say how a run is trained and where it is logged; others are a machine's own.
PASSED = (
    "ABLATION_", "MLFLOW_", "HYDRA_", "PYTHON", "OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_",
    "NUMBA_", "TORCH", "PYTORCH_", "CUBLAS_", "HF_", "PG",
)  # fmt: skip


def passed() -> dict[str, str]:
    """The variables of this process that the processes of a cluster are to have, too."""
    found = {key: value for key, value in os.environ.items() if key.startswith(PASSED)}
    # Ray would set it to the CPUs of a run's share; the number of threads decides last digits.
    if "ABLATION_THREADS" in found:
        found.setdefault("OMP_NUM_THREADS", found["ABLATION_THREADS"])
    return found
