"""An archive of pictures from the network: downloaded once, checked, unpacked all or not at all.

What is half-done lives in a hidden folder beside the target, which one rename puts in its place.
A lock lets one process at a time work there, so that it may remove what a killed one left.
"""

import errno
import hashlib
import re
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from http.client import HTTPException, IncompleteRead
from pathlib import Path, PureWindowsPath
from urllib.error import HTTPError, URLError
from urllib.request import Request, build_opener

from ablation.errors import ConfigError

#: Seconds to wait for a connection, and on a connection that has gone silent.
TIMEOUT = 30.0
#: What an archive may hold: files, and bytes for each byte of the archive (pictures hardly shrink).
MAX_MEMBERS, MAX_RATIO = 200_000, 100

#: What zipfile raises on bytes that are no zip, or an encrypted one.
UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OverflowError,
    RuntimeError,
    ValueError,
)
CHUNK = 1 << 16


class DownloadError(ConfigError):
    """An archive that can't be had; its text says why and what to do instead."""


class _UnreachableError(Exception):
    """The reason why an address gave no whole file."""


def fetch_archive(
    url: str | None, sha256: str | None, root: Path, *, timeout: float = TIMEOUT
) -> None:
    """Download a zip of pictures and unpack it as `root`, unless `root` is there.

    The archive's single top folder becomes `root`; without one, `root` holds what the archive
    holds. A proxy is taken from the environment. Another process that is at it is waited for.

    Args:
        url: http, https or file.
        sha256: of the archive, 64 hexadecimal digits; None leaves it unchecked.
        root: a folder that need not have a parent yet.
        timeout: seconds to wait for a connection, and on a silent one.

    Raises:
        DownloadError: no address, no network, a cut connection, a wrong checksum, an archive that
            can't be read or isn't safe to unpack, or a folder that can't be written. Nothing is
            left behind then, nor after Ctrl-C; what a killed process leaves, the next one removes.
    """
    root = root.resolve()
    address = _checked(url, sha256, root)
    partial = root.with_name(f".{root.name}.partial")
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        with _alone(root):
            if root.is_dir():
                return
            # Another process's, which was killed: a live one would hold the lock.
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            try:
                archive = partial / "archive.zip"
                actual = _download(address, root, archive, timeout)
                if sha256 is not None and actual != sha256.lower():
                    raise DownloadError(
                        f"{address}: the archive's SHA-256 is {actual}, and data.sha256 wants "
                        f"{sha256.lower()}; it is damaged or another one, and was not unpacked"
                    )
                _unpack(archive, address, partial / "content").rename(root)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
    except _UnreachableError as error:
        checksum = f" (SHA-256 {sha256})" if sha256 else ""
        raise DownloadError(
            f"{address} could not be downloaded: {error}\n"
            f"  try again, or get it in another way: {address}{checksum}\n"
            f"  and unpack it so that its folder, with train/ and val/ in it, is {root}\n"
            f"  or name a folder with train/ and val/ that you have: data.root=FOLDER"
        ) from error
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        raise DownloadError(
            f"data.root={root}: can't be written ({error.strerror or error}{where}); "
            "mend that, or name another place, data.root=FOLDER"
        ) from error


def _checked(url: str | None, sha256: str | None, root: Path) -> str:
    """The address, where all that was set makes sense."""
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
def _alone(root: Path) -> Iterator[None]:
    """Hold the lock of `root`; its file goes with it."""
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
        # Before the release: whoever waits for a file that is gone takes the lock of a new one.
        with suppress(OSError):
            path.unlink()
        lock.release()


def _download(url: str, root: Path, into: Path, timeout: float) -> str:
    """Write what the address holds into a file.

    Returns:
        Its SHA-256.

    Raises:
        _UnreachableError: nothing, or not all of it, came.
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
    """Turn what the network raises inside into one line.

    Raises:
        _UnreachableError: with that line.
    """
    try:
        yield
    except HTTPError as error:
        error.close()
        raise _UnreachableError(f"the server answered {error.code} {error.reason}") from error
    # ValueError is urllib's word on an address that it can't take apart.
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
    """A bar on a terminal, else one line; yields what to call with each number of new bytes."""
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


def _unpack(archive: Path, url: str, folder: Path) -> Path:
    """Unpack a zip whose every member is safe to unpack.

    Returns:
        The single folder in it, else the folder that holds all.

    Raises:
        DownloadError: it isn't a zip, or has a member that is damaged or refused; names it.
        OSError: the folder can't be written.
    """
    folder.mkdir()
    try:
        with zipfile.ZipFile(archive) as opened:
            members = opened.infolist()
            refusal = _refusal(members, archive.stat().st_size)
            if refusal:
                raise DownloadError(f"{url}: the archive {refusal}, and was not unpacked")
            for member in members:
                # What macOS adds to a zip would look like a folder of pictures.
                if not member.filename.startswith("__MACOSX/"):
                    _unpack_member(opened, member, url, folder)
    except (*UNREADABLE, OSError) as error:
        # A damaged zip may point before its own start, and no other use here is invalid.
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise
        raise DownloadError(f"{url}: can't be read as a zip archive ({error})") from error
    tops = [path for path in folder.iterdir() if not path.name.startswith(".")]
    return tops[0] if len(tops) == 1 and tops[0].is_dir() else folder


def _unpack_member(
    opened: zipfile.ZipFile, member: zipfile.ZipInfo, url: str, folder: Path
) -> None:
    target = folder / member.filename
    try:
        if member.is_dir():
            target.mkdir(parents=True, exist_ok=True)
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        # zipfile reads no more than the stated size, and fails where the true one is another.
        with opened.open(member) as source, target.open("xb") as file:
            shutil.copyfileobj(source, file)
    # The folder was empty, so only another member can be in the way.
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise DownloadError(f"{url}: the archive holds {member.filename!r} twice") from error


def _refusal(members: Sequence[zipfile.ZipInfo], size: int) -> str | None:
    """Why an archive of `size` bytes must not be unpacked, if so."""
    if len(members) > MAX_MEMBERS:
        return f"holds {len(members):,} files, more than {MAX_MEMBERS:,}"
    total = sum(member.file_size for member in members)
    if total > MAX_RATIO * size:
        return f"would grow from {size:,} to {total:,} bytes, as pictures don't"
    for member in members:
        # Windows' paths know both slashes, drives and shares, and take ".. " for "..": what leads
        # outside there is refused everywhere.
        parts = PureWindowsPath(member.filename).parts
        if not member.filename or any(
            not part.strip(". ") or PureWindowsPath(part).anchor for part in parts
        ):
            return f"holds {member.filename!r}, a path outside its folder"
        # The upper half holds a Unix mode, or nothing.
        if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
            return f"holds {member.filename!r}, which is neither a file nor a folder"
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            return f"holds {member.filename!r}, compressed in a way that is not supported"
    return None
