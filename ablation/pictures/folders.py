"""Which files of a folder are pictures, of which class and split; and what of it is not used.

Imports no torch, so that a wrong folder is answered at once.
"""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ablation.errors import ConfigError

#: Suffixes of formats that hold one still picture: what cameras, scanners and instruments write.
#: Not GIF, which serves for animations and placeholders: `data.extra_formats` adds it.
FORMATS = frozenset({
    ".avif", ".bmp", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm",
    ".ppm", ".tga", ".tif", ".tiff", ".webp",
})  # fmt: skip
#: What folders of each split are called, in any case.
SPLITS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}
#: Names that no class has by intent: val, Test set, train2017, images_val.
SPLIT_LIKE = re.compile(
    r"((images?|imgs?|pictures?|data)[ _-]?)?"
    r"(train|training|val|valid|validation|test|testing)"
    r"[ _-]?(set|data|split|images?|imgs?|pictures?|\d*)",
    re.IGNORECASE,
)
#: Formats that Pillow opens and does not decode, or only by another program.
UNDECODED = ("BUFR", "EPS", "GRIB", "HDF5", "IPTC", "MPEG", "WMF")
#: Files that systems leave in folders of pictures.
LITTER = ("thumbs.db", "desktop.ini")


class DataError(ConfigError):
    """Pictures that can't be used as they are; its text is for the person who owns them."""


@dataclass
class Listing:
    """The files below a folder, its hidden ones left out.

    Attributes:
        pictures: to be read, in the order of their paths.
        others: passed over because of their suffix.
    """

    pictures: list[Path] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)


@dataclass
class Found:
    """The pictures of a folder by class, and by split where it is divided.

    Attributes:
        classes: their names.
        splits: (path, label) of each picture, under train, val and test, or under "" undivided.
        notes: what of the folder is not used.
    """

    classes: list[str]
    splits: dict[str, list[tuple[Path, int]]]
    notes: list[str]


def find(root: Path, extra_formats: Sequence[str]) -> Found:
    """Find pictures in <split>/<class>/ or in <class>/.

    Raises:
        DataError: a folder is missing or without pictures, it is unclear which folder serves which
            purpose, or the classes of the splits don't agree.
    """
    if not os.access(root, os.R_OK | os.X_OK):
        raise DataError(f"data.root={root}: there is no such folder, or it may not be read")
    if not root.is_dir():
        raise DataError(f"data.root={root}: is a file, not a folder")
    accepted = formats(extra_formats)
    divided = _split_folders(root)
    folders = divided or {"": root}
    classes = {split: _class_folders(folder) for split, folder in folders.items()}
    names = list(classes.get("train") or classes[""])
    splits: dict[str, list[tuple[Path, int]]] = {}
    others: list[Path] = []
    nested: list[Path] = []
    for split, by_name in classes.items():
        _refuse_strangers(folders[split], by_name, names)
        splits[split] = []
        for label, name in enumerate(names):
            if name not in by_name:
                continue
            inside = _class_pictures(by_name[name], accepted)
            splits[split] += [(path, label) for path in inside.pictures]
            others += inside.others
            nested += [path for path in inside.pictures if path.parent != by_name[name]]
    notes = [*_unused(root, folders, accepted), *_nested(root, nested)]
    if others:
        notes.append(not_read(others, root) + how_to_read(others))
    return Found(names, splits, notes)


def formats(extra: Sequence[str]) -> frozenset[str]:
    """The suffixes that are read, lower case, each with its dot.

    Raises:
        DataError: one that Pillow can't read.
    """
    added = [f".{suffix.lower().lstrip('.')}" for suffix in extra]
    for suffix in added:
        if suffix not in readable():
            raise DataError(
                f"data.extra_formats=[{suffix}]: the installed Pillow reads no {suffix}; convert "
                "these files, to PNG or JPEG"
            )
    return FORMATS | set(added)


def readable() -> set[str]:
    """Suffixes of all that Pillow decodes by itself."""
    from PIL import Image

    known = Image.registered_extensions().items()
    return {suffix for suffix, kind in known if kind in Image.OPEN and kind not in UNDECODED}


def listing(folder: Path, accepted: frozenset[str]) -> Listing:
    """All files below a folder, links followed.

    Raises:
        DataError: a folder may not be read, or a name is not text.
    """
    found = Listing()
    for path in sorted(_files(folder, ())):
        # A pipe would be waited for; a link to nowhere is read, and named as what it is.
        is_readable = path.is_file() or path.is_symlink()
        if is_readable and path.suffix.lower() in accepted:
            found.pictures.append(path)
        elif path.name.lower() not in LITTER:
            found.others.append(path)
    return found


def not_read(others: Sequence[Path], root: Path) -> str:
    """A note on files that were passed over, by their suffixes."""
    counts = Counter(path.suffix.lower() or "without a suffix" for path in others)
    shown = [f"{count:,} {suffix}" for suffix, count in counts.most_common(8)]
    if len(counts) > len(shown):
        shown.append(f"{len(counts) - len(shown)} more kinds")
    return f"not read: {', '.join(shown)} (such as {_below(others[0], root)})"


def how_to_read(others: Iterable[Path]) -> str:
    """The key that has passed over files read, where there is one."""
    addable = sorted(readable() & {path.suffix.lower() for path in others} - FORMATS)
    if not addable:
        return ""
    return f"; data.extra_formats=[{','.join(addable)}] reads {' and '.join(addable)}"


def _files(folder: Path, above: tuple[str, ...]) -> Iterator[Path]:
    """Every file that is not hidden; a link to a folder that it lies in is not followed."""
    real = os.path.realpath(folder)
    if real in above:
        return
    for path in _entries(folder):
        if path.is_dir():
            yield from _files(path, (*above, real))
        else:
            yield path


def _entries(folder: Path) -> list[Path]:
    """What lies in a folder, without what is hidden."""
    try:
        names = sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except OSError as error:
        raise DataError(f"{folder}: this folder can't be read ({error.strerror})") from error
    for name in names:
        if not is_text(name):
            shown = os.fsencode(name).decode("utf-8", "backslashreplace")
            raise DataError(f"{folder}: the name {shown} in it is not UTF-8; rename it")
    return [folder / name for name in names]


def is_text(name: str) -> bool:
    """Whether a name from the file system can be printed and stored."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _split_folders(root: Path) -> dict[str, Path]:
    """The folder of each split, in the order train, val, test; none where the root has classes.

    Raises:
        DataError: two folders for one split, or none to train on.
    """
    found: dict[str, list[Path]] = {}
    for path in _entries(root):
        split = _split_of(path.name)
        if split and path.is_dir():
            found.setdefault(split, []).append(path)
    for split, paths in found.items():
        if len(paths) > 1:
            names = " and ".join(f"{path.name}/" for path in paths)
            raise DataError(f"data.root={root}: {names} both stand for {split}/; keep one of them")
    if found and "train" not in found:
        names = " and ".join(f"{paths[0].name}/" for paths in found.values())
        raise DataError(
            f"data.root={root}: has {names} and no train/; name the folder to train on train/, or "
            "rename what is a class"
        )
    return {split: found[split][0] for split in SPLITS if split in found}


def _split_of(name: str) -> str | None:
    plain = name.strip().casefold()
    return next((split for split, names in SPLITS.items() if plain in names), None)


def _class_folders(folder: Path) -> dict[str, Path]:
    """Each class's folder by the class's name, in the order of the names.

    The name is the folder's without spaces around it, its accents composed: what is one name to a
    reader is one class.
    """
    found: dict[str, Path] = {}
    for path in _entries(folder):
        if not path.is_dir():
            continue
        name = unicodedata.normalize("NFC", path.name).strip()
        if name in found:
            raise DataError(f"{folder}: two folders are called {name!r}, but for spaces or accents")
        if SPLIT_LIKE.fullmatch(name):
            raise DataError(
                f"{path}: looks like a split and lies where the classes do; rename it if "
                f"{name!r} is a class, else move it (data.root holds train/ and val/, or classes)"
            )
        found[name] = path
    if len(found) < 2:
        hint = f"; rename it if {folder.name!r} is a class" if _split_of(folder.name) else ""
        raise DataError(
            f"{folder}: needs a folder for each of two or more classes, has "
            f"{', '.join(found) or 'none'}{hint}"
        )
    return dict(sorted(found.items()))


def _refuse_strangers(folder: Path, by_name: dict[str, Path], names: Sequence[str]) -> None:
    stray = sorted(set(by_name) - set(names))
    if stray:
        raise DataError(
            f"{by_name[stray[0]]}: the class {stray[0]!r} is in {folder.name}/ and not in train/, "
            f"whose classes are {', '.join(names)}"
        )


def _class_pictures(folder: Path, accepted: frozenset[str]) -> Listing:
    inside = [path.name for path in _entries(folder) if _split_of(path.name) == "train"]
    if inside:
        raise DataError(
            f"{folder}: lies where the classes do and holds {inside[0]}/; pictures belong in "
            "train/<class>/ or in <class>/ below data.root"
        )
    found = listing(folder, accepted)
    if not found.pictures:
        why = ", ".join(sorted(accepted))
        if found.others:
            why = not_read(found.others, folder) + how_to_read(found.others)
        raise DataError(f"{folder}: no pictures in this folder; {why}")
    return found


def _unused(root: Path, folders: dict[str, Path], accepted: frozenset[str]) -> Iterator[str]:
    """Notes on folders beside the splits, and on pictures beside the folders that are used."""
    if "train" in folders:
        used = {path.name for path in folders.values()}
        beside = [p.name for p in _entries(root) if p.is_dir() and p.name not in used]
        if beside:
            names = ", ".join(f"{name}/" for name in beside[:6])
            more = f" and {len(beside) - 6} more" if len(beside) > 6 else ""
            yield f"not used: {names}{more} beside {', '.join(f'{name}/' for name in sorted(used))}"
    loose = [
        path
        for folder in dict.fromkeys([root, *folders.values()])
        for path in _entries(folder)
        if path.suffix.lower() in accepted and not path.is_dir()
    ]
    if loose:
        said = "picture lies" if len(loose) == 1 else "pictures lie"
        example = _below(loose[0], root)
        yield f"not used: {len(loose)} {said} in no class's folder (such as {example})"


def _nested(root: Path, nested: Sequence[Path]) -> Iterator[str]:
    if nested:
        said = "picture lies" if len(nested) == 1 else "pictures lie"
        example = _below(nested[0], root)
        yield f"{len(nested)} {said} in folders within those of the classes (such as {example})"


def _below(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()
