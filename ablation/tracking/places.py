"""Whether what a command will write can be written, asked before anything is computed.

Found out by writing: neither a read-only disk nor a full one shows in a folder's permissions.
"""

import tempfile
from pathlib import Path

from ablation.errors import ConfigError
from ablation.tracking import artifacts


def check_results(results: str, study: str) -> None:
    """The folder of the report.

    Raises:
        ConfigError: it can't be written to.
    """
    folder = Path(results) / study
    _try(folder, f"results={results}: the report can't be written to {folder.absolute()}")


def check_store(uri: str) -> None:
    """Where the store is a file: its folder, and the file itself if it is there.

    Raises:
        ConfigError: it can't be written to.
    """
    path = artifacts.database(uri)
    if path is None:
        return
    said = f"tracking.uri={uri}: the MLflow store can't be written to {path}"
    if not path.parent.is_dir():
        raise ConfigError(f"{said} (there is no such folder)")
    _try(path.parent, said)
    if path.exists():
        _try_file(path, said)
    elif {"'", '"'} <= set(str(Path.cwd())):
        # MLflow puts the folder's name into SQL as it stands.
        raise ConfigError(
            f"tracking.uri={uri}: MLflow can't make a store in a folder whose name has both kinds "
            "of quotation marks; start in another folder"
        )


def _try(folder: Path, said: str) -> None:
    """Write a file into a folder, or where it will be made."""
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
