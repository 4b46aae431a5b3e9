"""Reads the artifacts of runs: from the folder beside the store, else through MLflow."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ablation.errors import first_line
from ablation.tracking.beside import Beside, database, local_folder

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run


class ArtifactError(Exception):
    """An artifact that can't be read; the text says which, and where it was looked for."""


class Artifacts:
    """Reads the artifacts of a store's runs."""

    def __init__(self, client: "MlflowClient") -> None:
        # A progress bar for each of thousands of small files would hide everything else.
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        self._client = client
        store = database(client.tracking_uri)
        self._beside = Beside(store.parent) if store else None

    def folder(self, run_id: str, uri: str) -> Path | None:
        """The folder of a run's artifacts on this machine; None where they are on another.

        Args:
            run_id: of the run.
            uri: their location in the store.
        """
        found = self._beside.find(uri, run_id) if self._beside else None
        return found or local_folder(uri)

    def names(self, run_id: str, uri: str) -> set[str]:
        """The names of a run's artifacts, without those inside folders.

        Args:
            run_id: of the run.
            uri: their location in the store.

        Raises:
            ArtifactError: they can't be listed.
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
        """One artifact as a file.

        Args:
            run_id: of the run.
            uri: the location of its artifacts in the store.
            name: of the artifact.
            into: a folder for it, where it has to be downloaded.

        Raises:
            ArtifactError: it does not exist or can't be read.
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

        Args:
            run_id: of the run.
            uri: the location of its artifacts in the store.
            names: of the artifacts.
            into: a folder for it, where it has to be downloaded.

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
