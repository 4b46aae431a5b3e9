"""Which files are predicted."""

import os
from collections.abc import Sequence
from pathlib import Path


def find_pictures(
    asked: Sequence[Path], accepted: frozenset[str]
) -> tuple[list[Path], list[str], list[str]]:
    """The files to read: those that are named, and a folder's as those of a class folder.

    Args:
        accepted: suffixes of what is read of a folder; what is named is read whatever it is called.

    Returns:
        The files, a line on each that is not there, and notes on what folders hold beside them.
    """
    from ablation.pictures import folders

    paths: list[Path] = []
    missing, notes = [], []
    for path in asked:
        if not folders.is_text(str(path)):
            shown = os.fsencode(path).decode("utf-8", "backslashreplace")
            missing.append(f"{shown}: its name is not UTF-8; rename it")
        elif os.path.isdir(path):
            try:
                inside = folders.listing(path, accepted)
            except folders.DataError as error:
                missing.append(str(error))
                continue
            others = folders.not_read(inside.others, path) if inside.others else ""
            paths += inside.pictures
            if not inside.pictures:
                missing.append(f"{path}: no pictures in this folder{others and '; ' + others}")
            elif others:
                hint = "; name a file to have it read" if folders.how_to_read(inside.others) else ""
                notes.append(f"{path}: {others}{hint}")
        elif os.path.exists(path):
            paths.append(path)
        else:
            missing.append(f"{path}: there is no such file")
    return paths, missing, notes
