"""Whether a command will be able to write its report and its store, before anything is computed.

Only writing tells: a folder's permissions show neither a read-only disk nor a full one.
"""

import tempfile
from pathlib import Path

from ablation.errors import ConfigError
from ablation.tracking import beside


def check_results(results: str, study: str) -> None:
    """Check the folder of the report.

    Args:
        results: the folder of all reports.
        study: the study's name, which becomes a folder in it.

    Raises:
        ConfigError: it can't be written to.
    """
    folder = Path(results) / study
    _try(folder, f"results={results}: the report can't be written to {folder.absolute()}")


def check_store(uri: str) -> None:
    """Check the store's file and its folder; other stores are not checked.

    Args:
        uri: the tracking URI.

    Raises:
        ConfigError: it can't be written to.
    """
    path = beside.database(uri)
    if path is None:
        return
    said = f"tracking.uri={uri}: the MLflow store can't be written to {path}"
    if not path.parent.is_dir():
        raise ConfigError(f"{said} (there is no such folder)")
    _try(path.parent, said)
    if path.exists():
        _try_file(path, said)
    elif {"'", '"'} <= set(str(Path.cwd())):
        # MLflow puts the folder's name into a statement of SQL without escaping it.
        raise ConfigError(
            f"tracking.uri={uri}: MLflow can't make a store in a folder whose name has both kinds "
            "of quotation marks; start in another folder"
        )


def _try(folder: Path, said: str) -> None:
    """Write a file into the folder, or into the nearest one above it that exists."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(4096))
            file.flush()
    except OSError as error:
        raise ConfigError(f"{said} ({error.strerror or error})") from error


def _try_file(path: Path, said: str) -> None:
    try:
        path.open("r+b").close()
    except OSError as error:
        raise ConfigError(f"{said} ({error.strerror or error})") from error
