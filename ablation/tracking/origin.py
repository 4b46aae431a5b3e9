"""Where a run comes from: its command, code, machine, process and versions."""

import contextlib
import functools
import getpass
import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import psutil

from ablation.process import command_line


def is_alive(tags: Mapping[str, str]) -> bool:
    """Whether the process that logs a run still exists; True where that can't be known.

    Args:
        tags: of the run.
    """
    if tags.get("host") != socket.gethostname() or "process" not in tags:
        return True
    pid, _, started = tags["process"].partition("@")
    try:
        return f"{psutil.Process(int(pid)).create_time():.2f}" == started
    except (psutil.NoSuchProcess, ValueError):
        return False


def tags_of_origin() -> dict[str, str]:
    """The tags that say where a run of this process comes from."""
    process = psutil.Process()
    commit, is_dirty = code_version()
    return {
        "command": command_line(),
        "code_commit": commit,
        "code_dirty": str(is_dirty).lower(),
        "versions": json.dumps(versions()),
        "host": socket.gethostname(),
        "process": f"{process.pid}@{process.create_time():.2f}",
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
