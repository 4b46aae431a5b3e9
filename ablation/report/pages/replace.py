"""A new report replaces the old one as a whole, or not at all.

All files are first written to a fresh folder beside the old ones and flushed to disk. What can go
wrong (a full disk, an error, a kill) goes wrong there and leaves the old report unchanged. Then
each file is moved over its older version, which is atomic: figures first, the pages that show them
last, so that a page never refers to a missing figure. A kill during these last milliseconds can
leave some files new and others old, but each of them is complete.

Other files in the folder (Hydra's records, notes, other reports) are not touched.
"""

import contextlib
import os
import shutil
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

from ablation.errors import ConfigError

#: Begins the names of the fresh folders; the host and the process follow.
PREFIX = ".report-"


@contextlib.contextmanager
def replaced(folder: Path, own: Sequence[str], last: Sequence[str]) -> Iterator[Path]:
    """A fresh folder to write a report into; its files replace those in `folder` at the end.

    Args:
        folder: of the report; made if it does not exist.
        own: patterns of files below `folder` that belong to the report: old ones that the new
            report does not have are deleted.
        last: names of the files that refer to others; they are moved last, in this order.

    Raises:
        ConfigError: the report can't be written; the old one is unchanged.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(folder)
        fresh = folder / f"{PREFIX}{_this_process()}"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
        try:
            yield fresh
            _flush(fresh)
            _move(fresh, folder, own, last)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    except OSError as error:
        why = error.strerror or str(error)
        at = f" ({error.filename})" if error.filename else ""
        raise ConfigError(f"the report in {folder} can't be written: {why}{at}") from error


def _move(fresh: Path, folder: Path, own: Sequence[str], last: Sequence[str]) -> None:
    """Move all files of a fresh folder to their places, and delete the report's outdated ones."""
    names = [path.relative_to(fresh) for path in sorted(fresh.rglob("*")) if path.is_file()]

    def turn(name: Path) -> int:
        if len(name.parts) > 1:
            return 0
        return 2 + last.index(name.name) if name.name in last else 1

    for name in sorted(names, key=turn):
        (folder / name).parent.mkdir(exist_ok=True)
        os.replace(fresh / name, folder / name)
    for pattern in own:
        for old in folder.glob(pattern):
            if old.relative_to(folder) not in names:
                old.unlink()


def _flush(fresh: Path) -> None:
    """Write all files to the disk: some notice only then that they are full."""
    for path in fresh.rglob("*"):
        if path.is_file():
            with path.open("rb+") as file:
                os.fsync(file.fileno())


def _this_process() -> str:
    return f"{socket.gethostname()}-{os.getpid()}"


def _remove_leftovers(folder: Path) -> None:
    """Delete the fresh folders of processes on this machine that were killed."""
    mine = f"{PREFIX}{socket.gethostname()}-"
    for path in folder.glob(f"{PREFIX}*"):
        pid = path.name.removeprefix(mine)
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(path, ignore_errors=True)
