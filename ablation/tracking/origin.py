"""Where a run comes from: its command, code, machine, process and versions."""

import contextlib
import functools
import getpass
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import psutil

from ablation.process import command_line

#: The tag with the time of an owner's last sign of life, in seconds since 1970.
HEARTBEAT = "heartbeat"
#: After so many seconds without one a run's process counts as ended, where it can't be looked at.
DEAD_SECONDS = 300.0


def is_alive(tags: Mapping[str, str]) -> bool:
    """Whether the process that logs a run still exists; True where that can't be known.

    Args:
        tags: of the run.
    """
    if "process" not in tags:
        return True
    here = _machine()
    if (
        tags.get("host") != here["host"]
        or tags.get("processes", here["processes"]) != (here["processes"])
    ):
        # Its processes can't be seen from here.
        return HEARTBEAT not in tags or time.time() - float(tags[HEARTBEAT]) < DEAD_SECONDS
    if tags.get("boot", here["boot"]) != here["boot"]:
        return False
    try:
        return _name(psutil.Process(int(tags["process"].partition("@")[0]))) == tags["process"]
    except (psutil.NoSuchProcess, ValueError):
        return False


def is_own(tags: Mapping[str, str], *, with_workers: bool = True) -> bool:
    """Whether a run is one of this process, or of a worker that it started.

    Args:
        tags: of the run.
        with_workers: False for the runs of this very process alone.
    """
    here = psutil.Process()
    workers = here.children(recursive=True) if with_workers else []
    own = set()
    for one in (here, *workers):
        with contextlib.suppress(psutil.NoSuchProcess):  # a worker that has just ended
            own.add(_name(one))
    return tags.get("host") == _machine()["host"] and tags.get("process") in own


def _name(process: psutil.Process) -> str:
    """A process in the tags of its runs; its number alone is given again after its end."""
    return f"{process.pid}@{process.create_time():.2f}"


@functools.cache
def _machine() -> dict[str, str]:
    """This machine's name, its start, and the namespace of its processes, as containers have."""
    boot, processes = f"{psutil.boot_time():.0f}", ""
    with contextlib.suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    with contextlib.suppress(OSError):
        processes = os.readlink("/proc/self/ns/pid")
    return {"host": socket.gethostname(), "boot": boot, "processes": processes}


def tags_of_origin() -> dict[str, str]:
    """The tags that say where a run of this process comes from."""
    commit, is_dirty = code_version()
    return {
        "command": command_line(),
        "code_commit": commit,
        "code_dirty": str(is_dirty).lower(),
        "versions": json.dumps(versions()),
        **_machine(),
        HEARTBEAT: f"{time.time():.0f}",
        "process": _name(psutil.Process()),
        "mlflow.user": _user(),
        "mlflow.source.name": "python -m ablation",
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": commit,
    }


@functools.cache
def code_version() -> tuple[str, bool]:
    """The commit of this code, or its release, and whether the checkout has uncommitted changes."""
    root = Path(__file__).resolve().parents[2]

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", "ablation/tracking/origin.py")
        return git("rev-parse", "HEAD"), bool(git("status", "--porcelain", "ablation", "conf"))
    except (OSError, subprocess.CalledProcessError):
        return f"release {metadata.version('ablation')}", False


@functools.cache
def versions() -> dict[str, str]:
    """The versions of Python and of the packages that a result may depend on."""
    packages = ("torch", "torchvision", "timm", "numba", "numpy", "pillow", "mlflow", "hydra-core")
    found = {"python": sys.version.split()[0]}
    for name in packages:
        with contextlib.suppress(metadata.PackageNotFoundError):  # numba comes later to new Pythons
            found[name] = metadata.version(name)
    return found


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return str(os.getuid())
