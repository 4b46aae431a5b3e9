"""How a folder of pictures is understood: its splits, its classes, and what is not used.

Imports no torch, so that a wrong folder is answered at once.
"""

import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ablation.pictures.errors import DataError
from ablation.pictures.files import (
    Listing,
    accepted_suffixes,
    entries,
    extra_formats_hint,
    list_files,
    no_pictures,
    not_read,
)

#: What the folders of each split may be called, in upper or lower case.
SPLITS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}
#: Names that are most likely meant as splits, not as classes: val, Test set, train2017, images_val.
SPLIT_LIKE = re.compile(
    r"((images?|imgs?|pictures?|data)[ _-]?)?"
    r"(train|training|val|valid|validation|test|testing)"
    r"[ _-]?(set|data|split|images?|imgs?|pictures?|\d*)",
    re.IGNORECASE,
)


@dataclass
class Found:
    """The pictures of a folder by class, and by split where the folder has splits.

    Attributes:
        classes: the names of the classes, sorted.
        splits: (path as text, label) of each picture, under train, val and test; under "" where the
            folder has no splits.
        notes: what in the folder is not used.
    """

    classes: list[str]
    splits: dict[str, list[tuple[str, int]]]
    notes: list[str]


def find(root: Path, extra_formats: Sequence[str]) -> Found:
    """Find pictures in <split>/<class>/ or in <class>/.

    Args:
        root: the folder.
        extra_formats: suffixes to read besides the usual ones.

    Raises:
        DataError: a folder is missing or without pictures, it is unclear which folder serves which
            purpose, or the classes of the splits don't agree.
    """
    if not os.access(root, os.R_OK | os.X_OK):
        raise DataError(f"data.root={root}: there is no such folder, or it can't be read")
    if not root.is_dir():
        raise DataError(f"data.root={root}: is a file, not a folder")
    accepted = accepted_suffixes(extra_formats)
    folders = _split_folders(root) or {"": root}
    classes = {split: _class_folders(folder) for split, folder in folders.items()}
    names = list(classes.get("train") or classes[""])
    splits: dict[str, list[tuple[str, int]]] = {}
    others: list[Path] = []
    nested: list[Path] = []
    for split, by_name in classes.items():
        _refuse_unknown_classes(folders[split], by_name, names)
        splits[split] = []
        for label, name in enumerate(names):
            if name not in by_name:
                continue
            inside = _class_files(by_name[name], accepted)
            splits[split] += [(path, label) for path in inside.pictures]
            others += inside.others
            nested += _in_folders(by_name[name], inside)
    notes = [*_unused(root, folders, accepted), *_nested(root, nested)]
    if others:
        notes.append(not_read(others, root) + extra_formats_hint(others))
    return Found(names, splits, notes)


def _split_folders(root: Path) -> dict[str, Path]:
    """The folder of each split, in the order train, val, test; empty where the root has classes.

    Raises:
        DataError: two folders for one split, or none to train on.
    """
    found: dict[str, list[Path]] = {}
    for path in entries(root):
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
            f"data.root={root}: has {names} and no train/; call the folder to train on train/, or "
            "rename folders that are classes"
        )
    return {split: found[split][0] for split in SPLITS if split in found}


def _split_of(name: str) -> str | None:
    plain = name.strip().casefold()
    return next((split for split, names in SPLITS.items() if plain in names), None)


def _class_folders(folder: Path) -> dict[str, Path]:
    """The folder of each class by the class's name, sorted by name.

    Spaces around a folder's name are dropped and its accents composed (Unicode NFC), so that names
    that look the same are the same class.
    """
    found: dict[str, Path] = {}
    for path in entries(folder):
        if not path.is_dir():
            continue
        name = unicodedata.normalize("NFC", path.name).strip()
        if name in found:
            raise DataError(
                f"{folder}: the names of two folders differ from {name!r} in spaces or accents "
                "only; rename or merge them"
            )
        if SPLIT_LIKE.fullmatch(name):
            raise DataError(
                f"{path}: looks like a split, but lies among the classes; rename it if {name!r} "
                "is a class, else move it (data.root holds either train/ and val/, or classes)"
            )
        found[name] = path
    if len(found) < 2:
        hint = f"; rename it if {folder.name!r} is a class" if _split_of(folder.name) else ""
        raise DataError(
            f"{folder}: needs a folder for each of two or more classes, has "
            f"{', '.join(found) or 'none'}{hint}"
        )
    return dict(sorted(found.items()))


def _refuse_unknown_classes(folder: Path, by_name: dict[str, Path], names: Sequence[str]) -> None:
    """Refuse classes of a split that there are no pictures of to train on."""
    unknown = sorted(set(by_name) - set(names))
    if unknown:
        raise DataError(
            f"{by_name[unknown[0]]}: the class {unknown[0]!r} is in {folder.name}/ and not in "
            f"train/, whose classes are {', '.join(names)}"
        )


def _class_files(folder: Path, accepted: frozenset[str]) -> Listing:
    """The files of a class's folder.

    Raises:
        DataError: it has no pictures, or a folder train/.
    """
    found = list_files(folder, accepted)
    inside = [
        one.name for one in found.folders if one.parent == folder and _split_of(one.name) == "train"
    ]
    if inside:
        raise DataError(
            f"{folder}: lies where classes are expected and holds {inside[0]}/; pictures belong "
            "in train/<class>/ or in <class>/ below data.root"
        )
    if not found.pictures:
        raise DataError(no_pictures(folder, found, accepted) + extra_formats_hint(found.others))
    return found


def _in_folders(folder: Path, found: Listing) -> list[Path]:
    """The pictures of a listing that are not directly in its folder."""
    if not found.folders:
        return []
    directly = str(folder)
    return [Path(path) for path in found.pictures if os.path.dirname(path) != directly]


def _unused(root: Path, folders: dict[str, Path], accepted: frozenset[str]) -> Iterator[str]:
    """Notes on folders beside the splits, and on pictures outside the folders of classes."""
    if "train" in folders:
        used = {path.name for path in folders.values()}
        unused = [p.name for p in entries(root) if p.is_dir() and p.name not in used]
        if unused:
            names = ", ".join(f"{name}/" for name in unused[:6])
            more = f" and {len(unused) - 6} more" if len(unused) > 6 else ""
            yield f"not used: {names}{more} beside {', '.join(f'{name}/' for name in sorted(used))}"
    loose = [
        path
        for folder in dict.fromkeys([root, *folders.values()])
        for path in entries(folder)
        if path.suffix.lower() in accepted and not path.is_dir()
    ]
    if loose:
        yield f"not used: {_lie(loose, root, 'outside the folders of the classes')}"


def _nested(root: Path, nested: Sequence[Path]) -> Iterator[str]:
    if nested:
        yield _lie(nested, root, "in folders within those of the classes")


def _lie(paths: Sequence[Path], root: Path, where: str) -> str:
    count = "1 picture lies" if len(paths) == 1 else f"{len(paths)} pictures lie"
    return f"{count} {where} (such as {paths[0].relative_to(root).as_posix()})"
