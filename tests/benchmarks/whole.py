"""A whole command of one version of the project: what it takes."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple


class Spent(NamedTuple):
    """What a command took.

    Attributes:
        seconds: by the clock.
        processors: seconds of all processors together.
        memory: the most that it held, in MB.
    """

    seconds: float
    processors: float
    memory: float


def spent(code: Path, folder: Path, words: list[str]) -> Spent:
    """Run `python -m ablation` with the code of a checkout, in a folder with a cache of its own.

    Raises:
        RuntimeError: the command fails.
    """
    env = {**os.environ, "PYTHONPATH": str(code), "ABLATION_CACHE": str(folder / "cache")}
    env.pop("MLFLOW_TRACKING_URI", None)
    command = [sys.executable, "-m", "ablation", *words]
    start = time.perf_counter()
    with subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.DEVNULL) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - start
    if process.returncode:
        raise RuntimeError(f"{' '.join(words)} with {code}: exit code {process.returncode}")
    return Spent(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1000)
