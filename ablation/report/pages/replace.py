"""A report takes the place of the one before as a whole, or not at all.

Everything is first written into a folder of its own beside the old files, and onto the disk: what
can go wrong (a full disk, an error, a kill) goes wrong there and leaves the old report as it was.
Then each file is moved over its older self, which either happens or does not: the figures first and
the pages that show them last, so that a page never names a figure that is not there. A kill within
these last milliseconds can leave some files new and others old, each of them whole.

What else lies in the folder (Hydra's records, notes, other reports) is not touched; `figures/*.png`
is the report's own.
"""

import contextlib
import os
import shutil
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

from ablation.errors import ConfigError

#: Before the names of the folders in which reports are put together.
PREFIX = ".report-"


class ReportError(ConfigError):
    """A report that can't be written; its text says where and why."""


@contextlib.contextmanager
def replaced(folder: Path, own: str, last: Sequence[str]) -> Iterator[Path]:
    """A fresh folder to write a report into, which takes the old one's place at the end.

    Args:
        folder: of the report; made where it is not there.
        own: a pattern of the files below `folder` that go where the new report has none of them.
        last: names of the files that refer to others.

    Raises:
        ReportError: the report can't be written; the one before is as it was.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(folder)
        fresh = folder / f"{PREFIX}{_this_process()}"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
        try:
            yield fresh
            _onto_disk(fresh)
            _move(fresh, folder, own, last)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    except OSError as error:
        why = error.strerror or str(error)
        at = f" ({error.filename})" if error.filename else ""
        raise ReportError(f"the report in {folder} can't be written: {why}{at}") from error


def _move(fresh: Path, folder: Path, own: str, last: Sequence[str]) -> None:
    names = [path.relative_to(fresh) for path in sorted(fresh.rglob("*")) if path.is_file()]

    def turn(name: Path) -> int:
        if len(name.parts) > 1:
            return 0
        return 2 + last.index(name.name) if name.name in last else 1

    for name in sorted(names, key=turn):
        (folder / name).parent.mkdir(exist_ok=True)
        os.replace(fresh / name, folder / name)
    for old in folder.glob(own):
        if old.relative_to(folder) not in names:
            old.unlink()


def _onto_disk(fresh: Path) -> None:
    """A disk may notice that it is full only when it has to write."""
    for path in fresh.rglob("*"):
        if path.is_file():
            with path.open("rb+") as file:
                os.fsync(file.fileno())


def _this_process() -> str:
    return f"{socket.gethostname()}-{os.getpid()}"


def _remove_leftovers(folder: Path) -> None:
    """Those of processes that were killed, on this machine."""
    mine = f"{PREFIX}{socket.gethostname()}-"
    for path in folder.glob(f"{PREFIX}*"):
        pid = path.name.removeprefix(mine)
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(path, ignore_errors=True)
