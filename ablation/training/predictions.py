"""What a run predicted for each picture, in one file for programs and one for people.

`predictions.parquet` has `picture`, `label` and `predicted` (text), then `p_CLASS`, the probability
of each class in the order of the network's outputs, as float32; a run of one's own may have none,
and may have `score`, a number for each example of which the larger is the better.
`predictions.csv` has the first three columns, `confidence` (the probability of the predicted
class), and the columns of the classes where there are few. The prefix distinguishes a class named
"label" from the column `label`.

Runs of earlier versions have the CSV only, without the columns of the classes.
"""

import csv
import functools
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

PARQUET, CSV = "predictions.parquet", "predictions.csv"

#: The columns of text.
WORDS = ["picture", "label", "predicted"]
#: Precedes a class's name in the name of its column.
PREFIX = "p_"
#: The column of the scores of a run of one's own.
SCORE = "score"
#: Up to this many classes have columns in the file for people.
FEW_CLASSES = 20
#: Of a probability in the file for people.
DECIMALS = 6


class PredictionError(ValueError):
    """A file of predictions that can't be read; its text says why."""


@dataclass(frozen=True)
class Predictions:
    """What one run predicted for each picture of a split.

    Attributes:
        pictures: their names, relative to the folder of the pictures.
        labels: the names of their true classes.
        predicted: the names of the classes with the highest probability; of several, the first.
        classes: their names, in the order of the columns of `probabilities`; empty if not known.
        probabilities: shape (n_pictures, n_classes); None if they were not kept or not read.
        confidence: the probability of the predicted class, rounded, shape (n_pictures,); None if
            it follows from `probabilities` or was not kept.
        scores: that a run of one's own gave to each example, shape (n_pictures,).
    """

    pictures: Sequence[str]
    labels: Sequence[str]
    predicted: Sequence[str]
    classes: tuple[str, ...] = ()
    probabilities: NDArray[np.float32] | None = None
    confidence: NDArray[np.float64] | None = None
    scores: NDArray[np.float32] | None = None


def of(
    pictures: Sequence[str],
    labels: NDArray[np.int64],
    classes: Sequence[str],
    probabilities: NDArray[np.float32],
) -> Predictions:
    """Predictions from the probabilities of the classes.

    Args:
        pictures: the names of n pictures.
        labels: indices of their true classes, shape (n,).
        classes: the classes' names.
        probabilities: shape (n, n_classes).
    """
    names = [_readable(name) for name in classes]
    return Predictions(
        [_readable(name) for name in pictures],
        [names[label] for label in labels],
        [names[at] for at in probabilities.argmax(1)],
        tuple(names),
        np.asarray(probabilities, dtype=np.float32),
    )


def _readable(name: str) -> str:
    """A file's name as valid text: bytes that are not UTF-8 are written as \\xff."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def as_table(found: Predictions) -> pd.DataFrame:
    """A table for people: a row for each picture, probabilities rounded to 6 decimals."""
    columns: dict[str, Any] = {
        "picture": found.pictures,
        "label": found.labels,
        "predicted": found.predicted,
    }
    if found.scores is not None:
        columns[SCORE] = found.scores
    if found.probabilities is None:
        return pd.DataFrame(columns)
    columns["confidence"] = found.probabilities.max(1).round(DECIMALS)
    if len(found.classes) <= FEW_CLASSES:
        rounded = found.probabilities.round(DECIMALS)
        columns |= {f"{PREFIX}{name}": rounded[:, at] for at, name in enumerate(found.classes)}
    return pd.DataFrame(columns)


def save(found: Predictions, folder: Path, prefix: str = "") -> pd.DataFrame:
    """Write both files.

    Args:
        found: with or without probabilities.
        folder: an existing one.
        prefix: of the files' names: "test_" for the test pictures.

    Returns:
        The table for people.
    """
    table = as_table(found)
    table.to_csv(folder / f"{prefix}{CSV}", index=False)
    _write_parquet(found, folder / f"{prefix}{PARQUET}")
    return table


def _write_parquet(found: Predictions, path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    words = zip(WORDS, (found.pictures, found.labels, found.predicted), strict=True)
    content = {name: pa.array(values, pa.string()) for name, values in words}
    # The columns of the file: each class in contiguous memory.
    given = found.probabilities
    columns = (
        () if given is None else zip(found.classes, np.ascontiguousarray(given.T), strict=True)
    )
    chances = {f"{PREFIX}{name}": pa.array(values) for name, values in columns}
    own = {} if found.scores is None else {SCORE: pa.array(found.scores, pa.float32())}
    parquet.write_table(
        pa.table({**content, **own, **chances}),
        path,
        compression="zstd",
        use_dictionary=WORDS,
        # Floats compress better with their first bytes, then their second bytes, … together.
        column_encoding=dict.fromkeys(chances, "BYTE_STREAM_SPLIT"),
        write_statistics=False,
    )


def from_parquet(path: Path, with_probabilities: bool = False) -> Predictions:
    """Read a `predictions.parquet`.

    Args:
        path: of the file.
        with_probabilities: whether the probabilities are read, which take most of the memory.

    Raises:
        PredictionError: the file is damaged or has no predictions.
    """
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            names = file.schema_arrow.names
            columns = [name for name in names if name.startswith(PREFIX)]
            own = [SCORE] if with_probabilities and SCORE in names else []
            wanted = [*WORDS, *own, *columns] if with_probabilities else WORDS
            table = file.read(wanted, use_threads=False)
        found = [table.column(name).to_pylist() for name in WORDS]
        probabilities = None
        if with_probabilities:
            probabilities = np.empty((table.num_rows, len(columns)), dtype=np.float32)
            for at, name in enumerate(columns):
                probabilities[:, at] = table.column(name).to_numpy()
        scores = table.column(SCORE).to_numpy() if own else None
    except (pa.ArrowException, OSError, KeyError) as error:
        raise PredictionError(f"{path.name} can't be read ({error})") from error
    if not found[0]:
        raise PredictionError(f"{path.name} has no pictures")
    classes = tuple(name.removeprefix(PREFIX) for name in columns)
    pictures, labels, predicted = found
    return Predictions(pictures, labels, predicted, classes, probabilities, scores=scores)


def from_csv(text: str) -> Predictions:
    """Read the `predictions.csv` of a run that has no parquet file.

    Args:
        text: the content of the file.

    Raises:
        PredictionError: the text is not a table of predictions.
    """
    rows = csv.reader(io.StringIO(text))
    try:
        header = next(rows)
        places = [header.index(name) for name in WORDS]
        content = [row for row in rows if row]
        pictures, labels, predicted = ([row[place] for row in content] for place in places)
        confidence = None
        if "confidence" in header:
            place = header.index("confidence")
            confidence = np.array([float(row[place] or "nan") for row in content])
    except (ValueError, IndexError, StopIteration) as error:
        raise PredictionError(f"{CSV} can't be read ({error!r})") from error
    if not content:
        raise PredictionError(f"{CSV} has no pictures")
    return Predictions(pictures, labels, predicted, confidence=confidence)


@functools.lru_cache(maxsize=16)
def in_order(
    pictures: tuple[str, ...], labels: tuple[str, ...]
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Sort pictures by name, so that the predictions of different runs can be compared.

    Two classes may have pictures of the same file name, so a full name starts with the label.

    Args:
        pictures: the names of n pictures.
        labels: the names of their classes.

    Returns:
        The full names in order, and for each its index in `pictures`, shape (n,). Runs of a study
        that have the same pictures share both.
    """
    order = sorted(range(len(pictures)), key=lambda at: (pictures[at], labels[at]))
    names = tuple(f"{labels[at]}/{pictures[at]}" for at in order)
    return names, np.array(order, dtype=np.int64)
