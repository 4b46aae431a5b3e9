"""Whether what a command will write can be written, asked before anything is computed.

Found out by writing: neither a read-only disk nor a full one shows in a folder's permissions.
"""

import tempfile
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from ablation.config import ConfigError

_SQLITE = "sqlite:///"


def check_results(results: str, study: str) -> None:
    """The folder of the report.

    Raises:
        ConfigError: it can't be written to.
    """
    folder = Path(results) / study
    _try(folder, f"results={results}: the report can't be written to {folder.absolute()}")


def check_store(uri: str, study: str) -> None:
    """Where the store is a file: its folder, and the file itself if it is there.

    Raises:
        ConfigError: it can't be written to.
    """
    path = uri.removeprefix(_SQLITE).partition("?")[0]
    if not uri.startswith(_SQLITE) or path in ("", ":memory:"):
        return
    said = f"tracking.uri={uri}: the MLflow store can't be written to {Path(path).absolute()}"
    if not Path(path).parent.is_dir():
        raise ConfigError(f"{said} (there is no such folder)")
    _try(Path(path).parent, said)
    if Path(path).exists():
        _try_file(Path(path), said)
    else:
        _refuse_name(Path("mlruns").absolute(), study)


def check_artifacts(location: str | None, study: str, uri: str) -> None:
    """The folder of the runs' artifacts, where it is one of this machine.

    Args:
        location: of the study's artifacts; None where the study is new, and MLflow, unless it is a
            server, puts them into the folder of the command.
        study: its name.
        uri: the tracking URI.

    Raises:
        ConfigError: it can't be written to, or MLflow would take it for another.
    """
    if location is None and not uri.startswith(("http:", "https:", "databricks")):
        location = str(Path("mlruns").absolute())
    if location is None or ("://" in location and not location.startswith("file:")):
        return
    path = urlsplit(location).path if location.startswith("file:") else location
    folder = Path(url2pathname(path))
    if not location.startswith("file:"):
        _refuse_name(Path(location), study)
    _try(folder, f"study={study}: MLflow can't write the runs' artifacts to {folder}")


def _refuse_name(folder: Path, study: str) -> None:
    """MLflow puts the folder's name into SQL and into an address as it stands."""
    wrong = "'" if "'" in str(folder) else "%" if url2pathname(str(folder)) != str(folder) else ""
    if wrong:
        raise ConfigError(
            f"study={study}: MLflow can't keep the runs' artifacts in {folder}, because of the "
            f"{wrong} in its name; start in another folder"
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
