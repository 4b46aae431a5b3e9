"""Where the artifacts of runs are: beside the store, wherever its folder has gone.

MLflow records each run's folder of artifacts by its whole path, so that a study which was moved,
copied or mounted elsewhere would lose them, or find those of the place that it came from. A store
that is a file (SQLite) is therefore taken to have them beside it, in MLflow's usual place,
`mlruns/EXPERIMENT/RUN/artifacts`:

- new runs are written there (`keep_beside`), unless a person chose another place;
- a run is looked for there first, by the end of its recorded path, then at that path (`Artifacts`);
- what is found there is recorded anew (`mend`), so that MLflow's own pages show it too.

Where the artifacts of a server or in an object store are is MLflow's own matter.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit
from urllib.request import url2pathname

from ablation.errors import first_line
from ablation.study.record import UNDER_WAY

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run


#: MLflow's name for the folder of all experiments' artifacts, and for that of a run's.
ALL, OWN = "mlruns", "artifacts"

#: Seconds to wait for another process that writes to the store.
PATIENCE = 30


class ArtifactError(Exception):
    """An artifact that can't be read; its text says which and where it was sought."""


def database(uri: str) -> Path | None:
    """The file of a SQLite store, absolute and without symbolic links; None for other stores."""
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
    # SQLAlchemy has read the name; that of a "file:" SQLite decodes once more.
    path = unquote(urlsplit(name).path) if name.startswith("file:") else name
    return Path(path).resolve()


def mend(store: Path) -> None:
    """Record anew where the artifacts of ended runs are, for all that lie beside the store.

    A store that can't be written is left as it is: `Artifacts` finds them nevertheless.
    """
    beside = _Beside(store.parent)
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
    """Let the new runs of an experiment be written beside the store.

    MLflow takes for it the folder in which the experiment was created, which the store may have
    left since. A place that a person chose stays, unless its runs have moved along with the store.
    """
    beside = _Beside(store.parent)
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
    """The folder that a recorded location means on this machine's disk, as MLflow reads it."""
    parts = urlsplit(uri)
    if parts.scheme == "file":
        return Path(url2pathname(parts.path))
    if not parts.scheme:
        return Path(unquote(uri))
    return Path(uri) if len(parts.scheme) == 1 and os.name == "nt" else None


def _recorded(folder: Path) -> str:
    """A folder in the form in which MLflow finds it again: it decodes even a plain path."""
    plain = str(folder)
    return plain if quote(plain) == plain else folder.as_uri()


def _parts(uri: str) -> list[str]:
    """The names along a recorded location, of whichever system it was."""
    path = unquote(urlsplit(uri).path) if uri.startswith("file:") else uri
    return [part for part in path.replace("\\", "/").split("/") if part]


class _Beside:
    """Finds beside a store what was recorded elsewhere."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.below = (f"{folder}{os.sep}", f"{folder.as_uri()}/")
        self._depth = len(_parts(str(folder)))
        self._known: dict[tuple[str, ...], list[Path]] = {}

    def find(self, uri: str, run_id: str) -> Path | None:
        """Where a run's artifacts are beside the store; None where `uri` need not be doubted.

        Args:
            uri: the location that was recorded for them.
        """
        parts = _parts(uri)
        if parts[-2:] != [run_id, OWN] or local_folder(uri) is None:
            return None
        found = (base / run_id / OWN for base in self._bases(uri, parts[:-2]))
        return next((folder for folder in found if folder.is_dir()), None)

    def base(self, uri: str, run_ids: Sequence[str]) -> Path | None:
        """The folder beside the store that holds one of these runs, as `uri` did elsewhere."""
        for base in self._bases(uri, _parts(uri)):
            if any((base / run_id / OWN).is_dir() for run_id in run_ids):
                return base
        return None

    def _bases(self, uri: str, parts: Sequence[str]) -> list[Path]:
        """The store's folder with every end of a path that is there, the shortest first.

        None of them where the path itself is there, below the store's folder.
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


class Artifacts:
    """The artifacts of a store's runs, to be read."""

    def __init__(self, client: "MlflowClient") -> None:
        # Thousands of small files: a bar for each would hide everything else.
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        self._client = client
        store = database(client.tracking_uri)
        self._beside = _Beside(store.parent) if store else None

    def folder(self, run_id: str, uri: str) -> Path | None:
        """Where a run's artifacts lie on this machine's disk; None where they lie elsewhere.

        Args:
            uri: the location that the store has for them.
        """
        found = self._beside.find(uri, run_id) if self._beside else None
        return found or local_folder(uri)

    def names(self, run_id: str, uri: str) -> set[str]:
        """What there is at the top of a run's artifacts.

        Raises:
            ArtifactError: nothing, or it can't be listed.
        """
        folder = self.folder(run_id, uri)
        try:
            if folder is not None:
                return {path.name for path in folder.iterdir()}
            return {item.path for item in self._client.list_artifacts(run_id)}
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ArtifactError(self._nowhere(uri)) from error
        # Each kind of artifact store fails in its own way.
        except Exception as error:
            raise ArtifactError(f"{uri} can't be listed ({first_line(error)})") from error

    def fetch(self, run_id: str, uri: str, name: str, into: Path) -> Path:
        """One artifact as a file, in `into` where it has to be brought from elsewhere.

        Raises:
            ArtifactError: it is not there or can't be read.
        """
        folder = self.folder(run_id, uri)
        if folder is None:
            try:
                into.mkdir(exist_ok=True)
                return Path(self._client.download_artifacts(run_id, name, str(into)))
            except Exception as error:
                raise ArtifactError(
                    f"{name} of {uri} can't be read ({first_line(error)})"
                ) from error
        return self.first(run_id, uri, (name,), into)

    def first(self, run_id: str, uri: str, names: Sequence[str], into: Path) -> Path:
        """The first of these artifacts that the run has, as a file.

        Raises:
            ArtifactError: it has none of them.
        """
        folder = self.folder(run_id, uri)
        if folder is None:
            there = self.names(run_id, uri)
            known = [name for name in names if name in there]
            if known:
                return self.fetch(run_id, uri, known[0], into)
        else:
            for name in names:
                if (folder / name).is_file():
                    return folder / name
            if not folder.is_dir():
                raise ArtifactError(self._nowhere(uri))
        raise ArtifactError(f"there is no {' or '.join(names)} in {folder or uri}")

    def _nowhere(self, uri: str) -> str:
        recorded = f"there is no folder {local_folder(uri)}"
        if self._beside is None or uri.startswith(self._beside.below):
            return recorded
        return f"no folder of the run is beside the store in {self._beside.folder}, and {recorded}"


def without_files(client: "MlflowClient", runs: "Sequence[Run]") -> Iterator[str]:
    """A sentence on each of these finished runs whose artifacts can't be read."""
    files = Artifacts(client)
    for run in runs:
        try:
            files.names(run.info.run_id, run.info.artifact_uri)
        except ArtifactError as error:
            yield (
                f"{run.info.run_name} has finished, but its artifacts can't be read: {error}; "
                "rerun=true trains it again"
            )
