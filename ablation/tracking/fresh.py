"""Makes the SQLite file of a new store.

MLflow makes its tables migration by migration, which takes seconds. So an empty store is kept in
the cache, for each version of MLflow, and copied.
"""

import contextlib
import os
import re
import shutil
import sqlite3
from importlib import metadata
from pathlib import Path

from ablation.config import CacheConfig, cache_folder


def is_plain(uri: str, file: Path) -> bool:
    """Whether the store's address is its file's path, without options and signs of its own."""
    path = uri.removeprefix("sqlite:///")
    return not re.search(r"[%?#:\\]", f"{path}{file}")


def make(file: Path) -> None:
    """Make a SQLite store: under another name first, for one that is half made can't be used.

    Args:
        file: of the store, which does not exist.
    """
    new = file.with_name(f".{file.name}.new")
    empty = cache_folder(CacheConfig()) / f"mlflow-{metadata.version('mlflow')}.db"
    if not _copied(empty, new):
        new.unlink(missing_ok=True)  # of a process that was killed
        _fill(new)
        _keep(new, empty)
    new.replace(file)


def _copied(empty: Path, new: Path) -> bool:
    """Whether the empty store could be copied, and is whole."""
    try:
        shutil.copyfile(empty, new)
        with contextlib.closing(sqlite3.connect(new)) as opened:
            (said,) = opened.execute("PRAGMA integrity_check").fetchone()
            opened.execute("SELECT 1 FROM experiments")
        return bool(said == "ok")
    except (OSError, sqlite3.Error):
        return False


def _fill(new: Path) -> None:
    """Let MLflow make its tables."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{new}")
    client.search_experiments(max_results=1)
    with contextlib.suppress(AttributeError):
        # Its connections are to the file under the name that it will no longer have.
        client._tracking_client.store.engine.dispose()


def _keep(new: Path, empty: Path) -> None:
    """Keep an empty store for the next time, if the cache can be written."""
    part = empty.with_name(f"{empty.name}.{os.getpid()}")
    with contextlib.suppress(OSError, sqlite3.Error):
        empty.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(new, part)
        with contextlib.closing(sqlite3.connect(part)) as opened, opened:
            # Those that MLflow makes itself have the paths of this store.
            opened.execute("DELETE FROM experiments")
        part.replace(empty)
    with contextlib.suppress(OSError):
        part.unlink(missing_ok=True)
