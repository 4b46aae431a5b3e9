"""Downloads an archive of pictures once, checks it, and unpacks all of it or nothing.

Unfinished work lies in a hidden folder beside the target, and one rename puts it in its place.
A lock lets one process at a time work there, so it may remove what a killed process left.
"""

import hashlib
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException, IncompleteRead
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, build_opener

from ablation.pictures.errors import DownloadError
from ablation.pictures.unpack import unpack

#: Seconds to wait for a connection, and for the next bytes on it.
TIMEOUT = 30.0
CHUNK = 1 << 16


class _UnreachableError(Exception):
    """Why an address gave no file, or only a part of it."""


def fetch_archive(
    url: str | None, sha256: str | None, root: Path, *, timeout: float = TIMEOUT
) -> None:
    """Download a zip of pictures and unpack it as `root`, unless `root` is there.

    The archive's single top folder becomes `root`; without one, `root` holds what the archive
    holds. A proxy is taken from the environment. If another process is downloading the same
    archive, wait for it.

    Args:
        url: http, https or file.
        sha256: of the archive, 64 hexadecimal digits; None leaves it unchecked.
        root: the folder; its parent is created where it is missing.
        timeout: seconds to wait for a connection, and for the next bytes on it.

    Raises:
        DownloadError: no address, no network, a cut connection, a wrong checksum, an archive that
            can't be read or isn't safe to unpack, or a folder that can't be written. Nothing is
            left behind then, nor after Ctrl-C; what a killed process leaves, the next one removes.
    """
    root = root.resolve()
    address = _checked(url, sha256, root)
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        with _locked(root):
            if not root.is_dir():
                _fetch(address, sha256, root, timeout)
    except _UnreachableError as error:
        raise DownloadError(_unreachable(address, sha256, root, error)) from error
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        raise DownloadError(
            f"data.root={root}: can't be written ({error.strerror or error}{where}); "
            "correct that, or name another folder, data.root=FOLDER"
        ) from error


def _fetch(address: str, sha256: str | None, root: Path, timeout: float) -> None:
    """Download, check and unpack an archive beside `root`, then rename it."""
    partial = root.with_name(f".{root.name}.partial")
    # Left by a process that was killed: a live one would hold the lock.
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        archive = partial / "archive.zip"
        actual = _download(address, root, archive, timeout)
        if sha256 is not None and actual != sha256.lower():
            raise DownloadError(
                f"{address}: the archive's SHA-256 is {actual}, and data.sha256 is "
                f"{sha256.lower()}; it is damaged or another one, and was not unpacked"
            )
        unpack(archive, address, partial / "content").rename(root)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _unreachable(address: str, sha256: str | None, root: Path, error: Exception) -> str:
    """What is said where an archive could not be downloaded: why, and what to do instead."""
    checksum = f" (SHA-256 {sha256})" if sha256 else ""
    return (
        f"{address} could not be downloaded: {error}\n"
        f"  try again, or get it in another way: {address}{checksum}\n"
        f"  and unpack it so that its folder, with train/ and val/ in it, is {root}\n"
        f"  or name a folder with train/ and val/ that you have: data.root=FOLDER"
    )


def _checked(url: str | None, sha256: str | None, root: Path) -> str:
    """The address, if the settings are valid.

    Raises:
        DownloadError: one of them is missing or malformed.
    """
    if root.exists() and not root.is_dir():
        raise DownloadError(f"data.root={root}: is not a folder; name another, data.root=FOLDER")
    if not url:
        raise DownloadError(
            f"data.root={root}: there is no such folder, and data.url is not set, the address of "
            "the archive to fill it from; name a folder with train/ and val/, data.root=FOLDER"
        )
    if url.partition("://")[0].lower() not in ("http", "https", "file"):
        raise DownloadError(f"data.url={url}: must start with https://, http:// or file://")
    if sha256 is not None and not re.fullmatch("[0-9a-fA-F]{64}", sha256):
        raise DownloadError(f"data.sha256={sha256}: must be 64 hexadecimal digits, or null")
    return url


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    """Hold the lock of `root`; its file is removed with it."""
    from filelock import FileLock, Timeout

    path = root.with_name(f".{root.name}.lock")
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        _say(f"another process is downloading {root}; waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        # Before the release: a process that waits for the removed file locks a new one.
        with suppress(OSError):
            path.unlink()
        lock.release()


def _download(url: str, root: Path, into: Path, timeout: float) -> str:
    """Download a file, with a progress bar.

    Args:
        url: its address.
        root: where the pictures will be, for the progress bar.
        into: where it is written.
        timeout: seconds to wait for a connection, and for the next bytes on it.

    Returns:
        Its SHA-256.

    Raises:
        _UnreachableError: it could not be downloaded, or only in part.
        OSError: the file can't be written.
    """
    from rich.filesize import decimal

    digest, received = hashlib.sha256(), 0
    with _network_errors(timeout):
        request = Request(url, headers={"User-Agent": "ablation"})
        response = build_opener().open(request, timeout=timeout)
    with response:
        length = response.headers.get("Content-Length") or ""
        expected = int(length) if length.isdecimal() else None
        size = f" ({decimal(expected)})" if expected else ""
        with (
            into.open("wb") as file,
            _progress(f"downloading {url}{size} to {root}", root.name, expected) as advance,
        ):
            while True:
                with _network_errors(timeout):
                    chunk = response.read(CHUNK)
                if not chunk:
                    break
                file.write(chunk)
                digest.update(chunk)
                received += len(chunk)
                advance(len(chunk))
    if expected is not None and received < expected:
        raise _UnreachableError(
            f"the connection was cut after {decimal(received)} of {decimal(expected)}"
        )
    return digest.hexdigest()


@contextmanager
def _network_errors(timeout: float) -> Iterator[None]:
    """Turn the errors of the network into an `_UnreachableError` of one line."""
    try:
        yield
    except HTTPError as error:
        error.close()
        raise _UnreachableError(f"the server answered {error.code} {error.reason}") from error
    # urllib raises ValueError for an address that it can't parse.
    except (OSError, HTTPException, ValueError) as error:
        reason = error.reason if isinstance(error, URLError) else error
        if isinstance(reason, TimeoutError):
            line = f"no answer for {timeout:g} s"
        elif isinstance(reason, IncompleteRead):
            line = "the connection was cut"
        else:
            line = str(getattr(reason, "strerror", None) or reason or type(reason).__name__)
        raise _UnreachableError(line) from error


@contextmanager
def _progress(line: str, name: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A progress bar on a terminal, else one line.

    Yields:
        A function to call with each number of new bytes.
    """
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        _say(line)
        yield lambda count: None
        return
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("downloading {task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bars:
        task = bars.add_task(name, total=total)
        yield lambda count: bars.advance(task, count)


def _say(line: str) -> None:
    from rich.console import Console

    Console(stderr=True, soft_wrap=True, highlight=False).print(line, markup=False)
