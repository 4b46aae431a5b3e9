"""Pictures that a table lists: a row for each, with its path and label, and what else it says.

Imports no torch, so that a wrong table is answered at once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ablation.errors import first_line, nearest
from ablation.pictures.errors import DataError, listed
from ablation.pictures.folders import SPLITS

if TYPE_CHECKING:
    import pandas as pd

#: What a column may be called, in upper or lower case, where `data.columns` does not name it.
NAMES = {
    "path": ("path", "file", "filename", "file_name", "filepath", "image", "image_path", "picture"),
    "label": ("label", "class", "class_name", "target", "category"),
    "split": ("split", "set", "subset", "partition"),
    "group": ("group", "patient", "patient_id", "subject", "site"),
}
#: Columns that a table must have.
NEEDED = ("path", "label")
SUFFIXES = (".csv", ".tsv", ".parquet")


@dataclass(frozen=True)
class Row:
    """One picture of a table.

    Attributes:
        name: its path as the table has it.
        path: of its file.
        label: the index of its class.
        group: what it belongs to, such as a patient; None where the table has no groups.
    """

    name: str
    path: Path
    label: int
    group: str | None


@dataclass(frozen=True)
class Found:
    """The pictures of a table.

    Attributes:
        classes: the names of the classes, sorted.
        splits: under train, val and test; under "" where the table has no splits.
        notes: what of the table is not used.
    """

    classes: list[str]
    splits: dict[str, list[Row]]
    notes: list[str]


def find(file: Path, columns: Mapping[str, str]) -> Found:
    """Read a table of pictures.

    Args:
        file: CSV, TSV or Parquet; paths in it are relative to its folder.
        columns: path, label, split or group → what the table calls it, where that is not one of the
            usual names.

    Raises:
        DataError: it can't be read, lacks a column, a value is missing, a split is called by no
            usual name, or a group is in two splits.
    """
    table = _read(file)
    named = _columns(file, [str(name) for name in table.columns], columns)
    texts = {role: _texts(file, table[name]) for role, name in named.items()}
    _refuse_twice(file, texts["path"])
    classes = sorted(set(texts["label"]))
    if len(classes) < 2:
        raise DataError(f"{file}: needs two or more classes, has {', '.join(classes) or 'none'}")
    groups: Sequence[str | None] = texts.get("group") or [None] * len(table)
    at = {name: label for label, name in enumerate(classes)}
    rows = [
        Row(path, file.parent / Path(path).expanduser(), at[label], group)
        for path, label, group in zip(texts["path"], texts["label"], groups, strict=True)
    ]
    splits = _splits(file, rows, texts.get("split"))
    _refuse_straddling(file, splits)
    unused = [str(name) for name in table.columns if str(name) not in named.values()]
    notes = [f"{file.name}: columns not used: {', '.join(unused[:8])}"] if unused else []
    return Found(classes, splits, notes)


def _read(file: Path) -> "pd.DataFrame":
    import pandas as pd

    if not file.is_file():
        raise DataError(f"data.root={file}: there is no such file; data=table reads a table")
    if file.suffix.lower() not in SUFFIXES:
        raise DataError(f"data.root={file}: a table's name ends in {', '.join(SUFFIXES)}")
    try:
        if file.suffix.lower() == ".parquet":
            table = pd.read_parquet(file)
        else:
            separator = "\t" if file.suffix.lower() == ".tsv" else ","
            # As text: a label 01 is not the label 1, and NA may be a class.
            table = pd.read_csv(file, sep=separator, dtype=str, keep_default_na=False)
    # Each format's reader fails in its own way.
    except Exception as error:
        raise DataError(f"data.root={file}: can't be read ({first_line(error)})") from error
    if table.empty:
        raise DataError(f"data.root={file}: has no rows")
    return table


def _columns(file: Path, there: Sequence[str], given: Mapping[str, str]) -> dict[str, str]:
    """The role of each column that is used → its name."""
    unknown = sorted(set(given) - set(NAMES))
    if unknown:
        guess = nearest(unknown[0], list(NAMES))
        raise DataError(
            f"data.columns.{unknown[0]}: unknown key{guess}; choose from {', '.join(NAMES)}"
        )
    found = {}
    for role, usual in NAMES.items():
        if role in given:
            if given[role] not in there:
                guess = nearest(given[role], list(there))
                raise DataError(
                    f"data.columns.{role}={given[role]}: {file} has no such column{guess}; it has "
                    + ", ".join(there)
                )
            found[role] = given[role]
            continue
        fitting = [name for name in there if name.strip().casefold() in usual]
        if len(fitting) > 1:
            raise DataError(
                f"{file}: {' and '.join(fitting)} may both be the {role}; name it, "
                f"data.columns.{role}={fitting[0]}"
            )
        if fitting:
            found[role] = fitting[0]
        elif role in NEEDED:
            raise DataError(
                f"{file}: which column is the {role}? data.columns.{role}=NAME says so; it has "
                + ", ".join(there)
            )
    return found


def _texts(file: Path, column: "pd.Series") -> list[str]:
    """A column as text without spaces around it; every row must have a value."""
    texts = ["" if value is None or value != value else str(value).strip() for value in column]
    empty = [f"{file.name}: row {at + 1}" for at, text in enumerate(texts) if not text]
    if empty:
        what = f"without a value in the column {column.name}"
        raise DataError(listed(empty, f"row {what}", f"rows {what}"))
    return texts


def _refuse_twice(file: Path, paths: Sequence[str]) -> None:
    places: dict[str, list[int]] = {}
    for at, path in enumerate(paths, 1):
        places.setdefault(path, []).append(at)
    lines = [
        f"{path}: rows {', '.join(map(str, rows))}"
        for path, rows in places.items()
        if len(rows) > 1
    ]
    if lines:
        several = "pictures are listed more than once"
        raise DataError(f"{file}: " + listed(lines, "picture is listed more than once", several))


def _splits(file: Path, rows: Sequence[Row], words: Sequence[str] | None) -> dict[str, list[Row]]:
    if words is None:
        return {"": list(rows)}
    meant = {}
    for word in dict.fromkeys(words):
        split = next((one for one, names in SPLITS.items() if word.casefold() in names), None)
        if split is None:
            usual = ", ".join(name for names in SPLITS.values() for name in names)
            raise DataError(f"{file}: the split {word!r} is none of {usual}")
        meant[word] = split
    found: dict[str, list[Row]] = {split: [] for split in SPLITS if split in meant.values()}
    for row, word in zip(rows, words, strict=True):
        found[meant[word]].append(row)
    if "train" not in found:
        raise DataError(f"{file}: has {', '.join(found)} and no pictures to train on")
    return found


def _refuse_straddling(file: Path, splits: Mapping[str, Sequence[Row]]) -> None:
    where: dict[str, dict[str, str]] = {}
    for split, rows in splits.items():
        for row in rows:
            if row.group is not None:
                where.setdefault(row.group, {}).setdefault(split, row.name)
    lines = [
        f"{group}: " + " and ".join(f"{name} ({split})" for split, name in places.items())
        for group, places in where.items()
        if len(places) > 1
    ]
    if lines:
        several = "groups are in two splits"
        raise DataError(f"{file}: " + listed(lines, "group is in two splits", several))
