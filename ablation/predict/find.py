"""Which files are predicted."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ablation.pictures.errors import DataError, refuse_undecodable_name
from ablation.pictures.files import addable_suffixes, list_files, no_pictures, not_read


@dataclass
class Asked:
    """The pictures that a person asked about.

    Attributes:
        paths: the files to read.
        missing: a line on each path that has no picture.
        notes: what in the folders is not read.
    """

    paths: list[Path] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def find_pictures(paths: Sequence[Path], accepted: frozenset[str]) -> Asked:
    """The pictures that some paths name: files, or all pictures in folders.

    Args:
        paths: of files and folders.
        accepted: the suffixes of pictures in folders; a file that is named may have any.
    """
    asked = Asked()
    for path in paths:
        try:
            _add(asked, path, accepted)
        except DataError as error:
            asked.missing.append(str(error))
    return asked


def _add(asked: Asked, path: Path, accepted: frozenset[str]) -> None:
    refuse_undecodable_name(str(path))
    if os.path.isdir(path):
        found = list_files(path, accepted)
        if not found.pictures:
            raise DataError(no_pictures(path, found, accepted))
        asked.paths += map(Path, found.pictures)
        if found.others:
            hint = "; name a file to have it read" if addable_suffixes(found.others) else ""
            asked.notes.append(f"{path}: {not_read(found.others, path)}{hint}")
    elif os.path.exists(path):
        asked.paths.append(path)
    else:
        raise DataError(f"{path}: there is no such file")
