"""What was found in picture files before, so that a start need not read and decode them again.

A file counts as the same while its path, size, inode and times are: that of its content, and that
of its last change of any kind, which no program can set. A file that changed in the two seconds
before it was read is read again next time, since it might change within the same tick of the clock
(Git's index has the same rule). Whoever uses a picture compares its SHA-256 again.
"""

import contextlib
import hashlib
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import PIL

from ablation.pictures.decode import Facts, Reading
from ablation.pictures.near import Look

#: Another number where other things are told of the same file.
VERSION = 1
#: Files that changed so recently, in seconds, are not entered.
RECENT_SECONDS = 2.0
#: What is kept of a file beside its folder, and of which type SQLite takes it to be.
COLUMNS = {
    "name": "TEXT", "stamp": "TEXT", "content": "BLOB", "height": "INTEGER", "width": "INTEGER",
    "pixels": "BLOB", "is_constant": "INTEGER", "n_frames": "INTEGER", "low": "REAL",
    "high": "REAL", "black": "REAL", "white": "REAL", "look": "BLOB",
}  # fmt: skip
#: Seconds that another process is waited for which writes to the same index.
PATIENCE = 20.0


class Described(NamedTuple):
    """What is kept of a picture file.

    Attributes:
        content: the SHA-256 of the file, 64 hexadecimal digits.
        size: height and width in pixels.
        facts: what decoding tells of it.
        look: what tells whether it looks like another, see `near`.
    """

    content: str
    size: tuple[int, int]
    facts: Facts
    look: Look


class Stamp(NamedTuple):
    """What changes when a file does; and whether it had just changed."""

    text: str
    is_recent: bool

    @classmethod
    def of(cls, path: str) -> "Stamp":
        """The stamp of a file, to be taken before it is read.

        Raises:
            OSError: it can't be read.
        """
        is_ = os.stat(path)
        # A time to come counts as recent: a clock was wrong.
        return cls(_text(is_), time.time() - max(is_.st_mtime, is_.st_ctime) < RECENT_SECONDS)


class Index:
    """Descriptions of picture files on disk, by path, for one way to read them.

    It only saves time: where it can't be read or written, files are read as if they were new.
    """

    def __init__(self, folder: Path, reading: Reading) -> None:
        """
        Args:
            folder: where the index lies, one file for each way to read pictures.
            reading: how the values in a file become pixels.
        """
        how = f"{VERSION} {PIL.__version__} {reading!r}"
        self._file = folder / f"{hashlib.sha256(how.encode()).hexdigest()[:16]}.sqlite"

    def known(self, paths: Sequence[str]) -> dict[str, Described]:
        """What is known of those files that are as they were, by their paths."""
        found: dict[str, Described] = {}
        if not self._file.exists():
            return found
        by_folder: dict[str, dict[str, str]] = {}
        for path in paths:
            folder, name = os.path.split(path)
            by_folder.setdefault(folder, {})[name] = path
        with self._harmless(), self._opened() as opened:
            for folder, named in by_folder.items():
                asked = f"SELECT {', '.join(COLUMNS)} FROM pictures WHERE folder = ?"
                for name, stamp, *about in opened.execute(asked, (os.path.abspath(folder),)):
                    path = named.get(name, "")
                    if path and _is_as_it_was(path, stamp):
                        found[path] = _described(*about)
        return found

    def enter(self, described: Mapping[str, tuple[Stamp, Described]]) -> None:
        """Keep what was found in files, by their paths."""
        rows = [
            (*_place(path), stamp.text, *_columns(about))
            for path, (stamp, about) in described.items()
            if not stamp.is_recent
        ]
        if rows:
            with self._harmless(), self._opened() as opened:
                marks = ", ".join("?" * len(rows[0]))
                opened.executemany(f"INSERT OR REPLACE INTO pictures VALUES ({marks})", rows)

    def forget(self, path: str) -> None:
        """Read a file anew next time."""
        with self._harmless(), self._opened() as opened:
            opened.execute("DELETE FROM pictures WHERE folder = ? AND name = ?", _place(path))

    @contextlib.contextmanager
    def _harmless(self) -> Iterator[None]:
        """What goes wrong with the index costs time only."""
        try:
            yield
        except (sqlite3.OperationalError, OSError):  # locked, read-only, or a full disk
            return
        except sqlite3.DatabaseError:  # a damaged file
            with contextlib.suppress(OSError):
                self._file.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
        with contextlib.closing(sqlite3.connect(self._file, timeout=PATIENCE)) as opened, opened:
            opened.execute(
                f"CREATE TABLE IF NOT EXISTS pictures (folder TEXT, {columns}, "
                "PRIMARY KEY (folder, name)) WITHOUT ROWID"
            )
            yield opened


def _text(is_: os.stat_result) -> str:
    return f"{is_.st_size} {is_.st_mtime_ns} {is_.st_ctime_ns} {is_.st_ino}"


def _is_as_it_was(path: str, stamp: str) -> bool:
    try:
        return _text(os.stat(path)) == stamp
    except OSError:
        return False


def _place(path: str) -> tuple[str, str]:
    folder, name = os.path.split(path)
    return os.path.abspath(folder), name


def _columns(one: Described) -> tuple[object, ...]:
    facts = one.facts
    return (
        bytes.fromhex(one.content),
        *one.size,
        facts.pixel_hash,
        facts.is_constant,
        facts.n_frames,
        *(facts.values or (None, None)),
        *(facts.value_range or (None, None)),
        b"".join(number.to_bytes(8, "big") for number in one.look),
    )


def _described(
    content: bytes,
    height: int,
    width: int,
    pixels: bytes,
    is_constant: int,
    n_frames: int,
    *about: Any,
) -> Described:
    low, high, black, white, look = about
    values = None if low is None else (low, high)
    value_range = None if black is None else (black, white)
    facts = Facts(pixels, bool(is_constant), n_frames, values, value_range)
    seen = int.from_bytes(look[:8], "big"), int.from_bytes(look[8:], "big")
    return Described(content.hex(), (height, width), facts, seen)
