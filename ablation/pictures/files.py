"""Which files of a folder are pictures, and what is said of the others.

Imports no torch, so that a wrong folder is answered at once.
"""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ablation.pictures import heic
from ablation.pictures.errors import DataError, refuse_undecodable_name

#: Suffixes of formats that hold one still picture: what cameras, scanners and instruments write.
#: Not GIF, which serves for animations and placeholders: `data.extra_formats` adds it.
FORMATS = frozenset({
    ".avif", ".bmp", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm",
    ".ppm", ".tga", ".tif", ".tiff", ".webp",
})  # fmt: skip
#: Formats that Pillow opens but can't decode, or only with the help of another program.
UNDECODED = ("BUFR", "EPS", "GRIB", "HDF5", "IPTC", "MPEG", "WMF")
#: Files that operating systems leave in folders of pictures.
LITTER = ("thumbs.db", "desktop.ini")


@dataclass
class Listing:
    """The files below a folder, without hidden ones. Pictures may be a million, so paths are text.

    Attributes:
        pictures: the paths of files with an accepted suffix, sorted.
        others: files with another suffix, sorted by path.
        folders: the folders within it, sorted by path.
    """

    pictures: list[str] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)


def accepted_suffixes(extra: Sequence[str]) -> frozenset[str]:
    """The suffixes of files that are read: lower case, with their dot.

    Args:
        extra: suffixes to read besides `FORMATS`, with or without a dot.

    Raises:
        DataError: a suffix whose format Pillow can't decode.
    """
    added = [f".{suffix.lower().lstrip('.')}" for suffix in extra]
    for suffix in added:
        if suffix not in decodable_suffixes():
            raise DataError(
                f"data.extra_formats=[{suffix}]: the installed Pillow reads no {suffix}; convert "
                "these files, to PNG or JPEG"
            )
    return FORMATS | set(added) | (heic.SUFFIXES if heic.is_read() else set())


def decodable_suffixes() -> set[str]:
    """The suffixes of all formats that Pillow decodes without another program."""
    from PIL import Image

    heic.is_read()
    known = Image.registered_extensions().items()
    return {suffix for suffix, kind in known if kind in Image.OPEN and kind not in UNDECODED}


def list_files(folder: Path, accepted: frozenset[str]) -> Listing:
    """All files below a folder, symbolic links followed.

    Args:
        folder: where to look.
        accepted: suffixes of pictures, see `accepted_suffixes`.

    Raises:
        DataError: a folder can't be read, or a name is not UTF-8.
    """
    found = Listing()
    _list(folder, (), tuple(accepted), found)
    return found


def entries(folder: Path) -> list[Path]:
    """The files and folders in a folder, without hidden ones, sorted by name.

    Raises:
        DataError: the folder can't be read, or a name is not UTF-8.
    """
    return [folder / name for name in names(folder)]


def names(folder: Path) -> list[str]:
    """The names of the files and folders in a folder, without hidden ones, sorted.

    Raises:
        DataError: the folder can't be read, or a name is not UTF-8.
    """
    return [entry.name for entry in _scanned(folder)]


def _scanned(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as scanned:
            found = [entry for entry in scanned if not entry.name.startswith(".")]
    except OSError as error:
        raise DataError(f"{folder}: this folder can't be read ({error.strerror})") from error
    for entry in found:
        refuse_undecodable_name(entry.name, str(folder))
    return sorted(found, key=lambda entry: entry.name)


def no_pictures(folder: Path, found: Listing, accepted: frozenset[str]) -> str:
    """What is said of a folder without pictures.

    Args:
        folder: the folder that was listed.
        found: what `list_files` found there.
        accepted: the suffixes that were looked for.
    """
    if found.others:
        return f"{folder}: no pictures in this folder; {not_read(found.others, folder)}"
    suffixes = ", ".join(sorted(accepted))
    return f"{folder}: no pictures in this folder; the name of a picture ends in {suffixes}"


def not_read(others: Sequence[Path], root: Path) -> str:
    """A note that counts, by suffix, the files that were not read.

    Args:
        others: these files, at least one.
        root: the folder that paths are shown relative to.
    """
    counts = Counter(path.suffix.lower() or "without a suffix" for path in others)
    shown = [f"{count:,} {suffix}" for suffix, count in counts.most_common(8)]
    if len(counts) > len(shown):
        shown.append(f"{len(counts) - len(shown)} more kinds")
    return f"not read: {', '.join(shown)} (such as {others[0].relative_to(root).as_posix()})"


def addable_suffixes(others: Iterable[Path]) -> list[str]:
    """The suffixes of files that were not read and that `data.extra_formats` would add."""
    return sorted(decodable_suffixes() & {path.suffix.lower() for path in others} - FORMATS)


def extra_formats_hint(others: Iterable[Path]) -> str:
    """What makes a run read files that were not read; empty where there is nothing."""
    others = list(others)
    if not heic.is_read() and any(path.suffix.lower() in heic.SUFFIXES for path in others):
        return '; `pip install "ablation[heic]"` installs what reads HEIC'
    addable = addable_suffixes(others)
    if not addable:
        return ""
    return f"; data.extra_formats=[{','.join(addable)}] reads {' and '.join(addable)}"


def _list(folder: Path, above: tuple[str, ...], suffixes: tuple[str, ...], found: Listing) -> None:
    """Add every file below a folder that is not hidden, in the order of their paths.

    Links back to a parent folder end there. A pipe is no picture: reading it would wait for ever. A
    broken link may be one: reading it fails with a message that names it.
    """
    real = os.path.realpath(folder)
    if real in above:
        return
    for entry in _scanned(folder):
        if entry.is_symlink():
            # An entry's own methods fail on a link to itself.
            path = folder / entry.name
            is_folder, is_readable = path.is_dir(), path.is_file() or not path.exists()
        else:
            is_folder, is_readable = entry.is_dir(), entry.is_file()
        if is_folder:
            found.folders.append(folder / entry.name)
            _list(folder / entry.name, (*above, real), suffixes, found)
        elif is_readable and entry.name.lower().endswith(suffixes):
            found.pictures.append(entry.path)
        elif entry.name.lower() not in LITTER:
            found.others.append(folder / entry.name)
