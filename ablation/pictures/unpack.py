"""Unpacks a zip archive of pictures, if every member of it is safe to unpack."""

import errno
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PureWindowsPath

from ablation.pictures.errors import DownloadError

#: The most files in an archive.
MAX_MEMBERS = 200_000
#: The most bytes that one byte of an archive may become: pictures hardly compress.
MAX_RATIO = 100

#: What zipfile raises on bytes that are not a zip, or an encrypted one.
UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OverflowError,
    RuntimeError,
    ValueError,
)


def unpack(archive: Path, url: str, folder: Path) -> Path:
    """Unpack a zip archive.

    Args:
        archive: the file.
        url: where it came from, for messages.
        folder: where to unpack it; is created.

    Returns:
        The archive's single top folder, else the folder that holds everything.

    Raises:
        DownloadError: it is not a zip, or a member is damaged or unsafe; the message names it.
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
                # The folder that macOS adds to a zip would look like a folder of pictures.
                if not member.filename.startswith("__MACOSX/"):
                    _unpack_member(opened, member, url, folder)
    except (*UNREADABLE, OSError) as error:
        # A damaged zip may point to before its start, which gives EINVAL; nothing else here does.
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
        # zipfile reads at most the stated size, and fails where the real one differs.
        with opened.open(member) as source, target.open("xb") as file:
            shutil.copyfileobj(source, file)
    # The folder was empty, so only another member can be in the way.
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise DownloadError(f"{url}: the archive holds {member.filename!r} twice") from error


def _refusal(members: Sequence[zipfile.ZipInfo], size: int) -> str | None:
    """Why an archive of `size` bytes must not be unpacked; None where it may be."""
    if len(members) > MAX_MEMBERS:
        return f"holds {len(members):,} files, more than {MAX_MEMBERS:,}"
    total = sum(member.file_size for member in members)
    if total > MAX_RATIO * size:
        return f"would grow from {size:,} to {total:,} bytes, as pictures don't"
    return next((refusal for member in members if (refusal := _refusal_of(member))), None)


def _refusal_of(member: zipfile.ZipInfo) -> str | None:
    """Why an archive with this member must not be unpacked; None where it may be."""
    # Windows' paths know both slashes, drives and shares, and read ".. " as "..": what leads out
    # of the folder there is refused on every system.
    parts = PureWindowsPath(member.filename).parts
    leads_out = any(not part.strip(". ") or PureWindowsPath(part).anchor for part in parts)
    if not member.filename or leads_out:
        return f"holds {member.filename!r}, a path outside its folder"
    # The upper half holds a Unix mode, or nothing.
    if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return f"holds {member.filename!r}, which is neither a file nor a folder"
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return f"holds {member.filename!r}, compressed in a way that is not supported"
    return None
