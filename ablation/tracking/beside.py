"""Where the artifacts of runs are: beside the store, even after its folder was moved.

MLflow records the absolute path of each run's artifacts. A study that was moved, copied or mounted
elsewhere would lose them, or find those of the original. A store that is a file (SQLite) is
therefore expected to have them beside it, in MLflow's usual place,
`mlruns/EXPERIMENT/RUN/artifacts`:

- new runs are written there (`keep_beside`), unless a person chose another place;
- a run is looked for there first, by the end of its recorded path, then at that path;
- what is found there is recorded with its new path (`mend`), so that MLflow's own pages find it.

The artifacts of a server or in an object store are left to MLflow.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit
from urllib.request import url2pathname

from ablation.study.record import UNDER_WAY

#: MLflow's names of the folder for the artifacts of all experiments, and of the one of a run.
ALL, OWN = "mlruns", "artifacts"

#: Seconds to wait while another process writes to the store.
PATIENCE = 30


def database(uri: str) -> Path | None:
    """The file of a SQLite store, absolute and without symbolic links; None for other stores.

    Args:
        uri: the tracking URI.
    """
    if not uri.startswith("sqlite"):
        return None
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(uri)
    except ArgumentError:  # MLflow refuses it in its own words.
        return None
    name = url.database or ":memory:"
    if ":memory:" in name or url.query.get("mode") == "memory":
        return None
    # SQLAlchemy has decoded the name; SQLite decodes one with "file:" again.
    path = unquote(urlsplit(name).path) if name.startswith("file:") else name
    return Path(path).resolve()


def mend(store: Path) -> None:
    """Correct the recorded places of the artifacts of ended runs that lie beside the store.

    A store that can't be written is left as it is: `artifacts.Artifacts` finds them all the same.

    Args:
        store: its file.
    """
    beside = Beside(store.parent)
    query = f"SELECT run_uuid, artifact_uri FROM runs WHERE status NOT IN {UNDER_WAY}"
    with contextlib.suppress(sqlite3.OperationalError), _opened(store) as connection:
        moved = [
            (_recorded(folder), run_id)
            for run_id, uri in connection.execute(query).fetchall()
            if uri and (folder := beside.find(uri, run_id)) is not None
        ]
        if moved:
            update = "UPDATE runs SET artifact_uri = ? WHERE run_uuid = ?"
            connection.executemany(update, moved)


def keep_beside(store: Path, experiment_id: str) -> None:
    """Let the artifacts of an experiment's new runs be written beside the store.

    MLflow would write them to where the experiment was created, even if the store was moved since.
    A place that a person chose is kept, unless its runs were moved along with the store.

    Args:
        store: its file.
        experiment_id: of the study.
    """
    beside = Beside(store.parent)
    with _opened(store) as connection:
        query = "SELECT artifact_location FROM experiments WHERE experiment_id = ?"
        ((uri,),) = connection.execute(query, (experiment_id,)).fetchall()
        recorded = local_folder(uri) if uri else None
        if recorded is None:
            return
        if _parts(uri)[-2:] == [ALL, experiment_id]:
            wanted: Path | None = store.parent / ALL / experiment_id
        else:
            query = "SELECT run_uuid FROM runs WHERE experiment_id = ? AND status = 'FINISHED'"
            runs = [run_id for (run_id,) in connection.execute(query, (experiment_id,))]
            wanted = beside.base(uri, runs)
        if wanted is not None and wanted != recorded:
            update = "UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?"
            connection.execute(update, (_recorded(wanted), experiment_id))


@contextlib.contextmanager
def _opened(store: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(store, timeout=PATIENCE)) as connection, connection:
        yield connection


def local_folder(uri: str) -> Path | None:
    """The folder that a recorded location means on this machine, as MLflow reads it.

    Returns:
        None for a server or an object store.
    """
    parts = urlsplit(uri)
    if parts.scheme == "file":
        return Path(url2pathname(parts.path))
    if not parts.scheme:
        return Path(unquote(uri))
    return Path(uri) if len(parts.scheme) == 1 and os.name == "nt" else None


def _recorded(folder: Path) -> str:
    """A folder in a form that MLflow reads correctly: it decodes %20 even in a plain path."""
    plain = str(folder)
    return plain if quote(plain) == plain else folder.as_uri()


def _parts(uri: str) -> list[str]:
    """The parts of a recorded path, of whichever operating system."""
    path = unquote(urlsplit(uri).path) if uri.startswith("file:") else uri
    return [part for part in path.replace("\\", "/").split("/") if part]


class Beside:
    """Finds beside a store the artifacts whose recorded path is elsewhere."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.below = (f"{folder}{os.sep}", f"{folder.as_uri()}/")
        self._depth = len(_parts(str(folder)))
        self._known: dict[tuple[str, ...], list[Path]] = {}

    def find(self, uri: str, run_id: str) -> Path | None:
        """Where a run's artifacts are beside the store; None where they are not, or `uri` is right.

        Args:
            uri: their recorded location.
            run_id: of the run.
        """
        parts = _parts(uri)
        if parts[-2:] != [run_id, OWN] or local_folder(uri) is None:
            return None
        found = (base / run_id / OWN for base in self._bases(uri, parts[:-2]))
        return next((folder for folder in found if folder.is_dir()), None)

    def base(self, uri: str, run_ids: Sequence[str]) -> Path | None:
        """The folder beside the store that has one of these runs and corresponds to `uri`."""
        for base in self._bases(uri, _parts(uri)):
            if any((base / run_id / OWN).is_dir() for run_id in run_ids):
                return base
        return None

    def _bases(self, uri: str, parts: Sequence[str]) -> list[Path]:
        """The folders that exist below the store's for some end of a path, the shortest end first.

        None of them where the path itself exists below the store's folder.
        """
        key = tuple(parts)
        if key not in self._known:
            ends = [self.folder.joinpath(*key[-n:]) for n in range(1, len(key) + 1)]
            is_below = uri.startswith(self.below) and _reads_as_written(uri)
            in_place = is_below and self.folder.joinpath(*key[self._depth :]).is_dir()
            self._known[key] = [] if in_place else [end for end in ends if end.is_dir()]
        return self._known[key]


def _reads_as_written(uri: str) -> bool:
    return uri.startswith("file:") or unquote(uri) == uri
