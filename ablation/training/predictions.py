"""What a run said of each picture: as a file for programs, and as one for people.

`predictions.parquet` has all of it: `picture`, `label` and `predicted` (text), then `p_CLASS`, the
probability of each class in the order of the network's outputs, as exact as it was computed.
`predictions.csv` has the first three, `confidence` (the probability of the predicted class), and
the classes' own columns where they are few. The prefix keeps a class that is called "label" apart.

Runs of earlier versions have the CSV alone, without the classes' columns.
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

WORDS = ["picture", "label", "predicted"]
#: Before a class's name in its column.
PREFIX = "p_"
#: Up to this many classes have columns in the file for people.
FEW_CLASSES = 20
DECIMALS = 6


class PredictionError(ValueError):
    """A file of predictions that can't be understood."""


@dataclass(frozen=True)
class Predictions:
    """What one run said of each picture of a split.

    Attributes:
        pictures: their names, relative to the folder of the pictures.
        labels: their true classes' names.
        predicted: the names of the classes of the highest probability; of several, the first.
        classes: in the order of the columns of `probabilities`; empty where they are not known.
        probabilities: float32, of shape (n_pictures, n_classes); None where they were not kept, or
            not asked for.
        confidence: the probability of the predicted class, of shape (n_pictures,), rounded; None
            where `probabilities` tells it better.
    """

    pictures: Sequence[str]
    labels: Sequence[str]
    predicted: Sequence[str]
    classes: tuple[str, ...] = ()
    probabilities: NDArray[np.float32] | None = None
    confidence: NDArray[np.float64] | None = None


def of(
    pictures: Sequence[str],
    labels: NDArray[np.int64],
    classes: Sequence[str],
    probabilities: NDArray[np.float32],
) -> Predictions:
    """The predictions that probabilities mean.

    Args:
        pictures: their names, n of them.
        labels: indices of classes, of shape (n,).
        classes: their names.
        probabilities: of shape (n, n_classes).
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
    """A file's name that is no valid text, which no text file could hold, with its bytes told."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def as_table(found: Predictions) -> pd.DataFrame:
    """For people: a row a picture, probabilities rounded to 6 decimals."""
    assert found.probabilities is not None
    columns: dict[str, Any] = {
        "picture": found.pictures,
        "label": found.labels,
        "predicted": found.predicted,
        "confidence": found.probabilities.max(1).round(DECIMALS),
    }
    if len(found.classes) <= FEW_CLASSES:
        rounded = found.probabilities.round(DECIMALS)
        columns |= {f"{PREFIX}{name}": rounded[:, at] for at, name in enumerate(found.classes)}
    return pd.DataFrame(columns)


def save(found: Predictions, folder: Path, prefix: str = "") -> None:
    """Write both files.

    Args:
        prefix: before their names, "test_" for the pictures that were held back.
    """
    as_table(found).to_csv(folder / f"{prefix}{CSV}", index=False)
    _write_parquet(found, folder / f"{prefix}{PARQUET}")


def _write_parquet(found: Predictions, path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    assert found.probabilities is not None
    words = zip(WORDS, (found.pictures, found.labels, found.predicted), strict=True)
    content = {name: pa.array(values, pa.string()) for name, values in words}
    # Of a class in one piece, as a file of columns wants it.
    by_class = np.ascontiguousarray(found.probabilities.T)
    chances = {f"{PREFIX}{name}": pa.array(by_class[at]) for at, name in enumerate(found.classes)}
    parquet.write_table(
        pa.table({**content, **chances}),
        path,
        compression="zstd",
        use_dictionary=WORDS,
        # The bytes of floats compress better apart: signs and exponents are alike.
        column_encoding=dict.fromkeys(chances, "BYTE_STREAM_SPLIT"),
        write_statistics=False,
    )


def from_parquet(path: Path, with_probabilities: bool = False) -> Predictions:
    """Read `predictions.parquet`; without the probabilities it takes no more memory than words.

    Raises:
        PredictionError: it is damaged or no file of predictions.
    """
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            names = file.schema_arrow.names
            columns = [name for name in names if name.startswith(PREFIX)]
            table = file.read(
                [*WORDS, *columns] if with_probabilities else WORDS, use_threads=False
            )
        found = [table.column(name).to_pylist() for name in WORDS]
        probabilities = None
        if with_probabilities:
            probabilities = np.empty((table.num_rows, len(columns)), dtype=np.float32)
            for at, name in enumerate(columns):
                probabilities[:, at] = table.column(name).to_numpy()
    except (pa.ArrowException, OSError, KeyError) as error:
        raise PredictionError(f"{path.name} can't be understood ({error})") from error
    if not found[0]:
        raise PredictionError(f"{path.name} has no pictures")
    classes = tuple(name.removeprefix(PREFIX) for name in columns)
    pictures, labels, predicted = found
    return Predictions(pictures, labels, predicted, classes, probabilities)


def from_csv(text: str) -> Predictions:
    """Read the `predictions.csv` of a run that has no better.

    Raises:
        PredictionError: it is no table of predictions.
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
        raise PredictionError(f"{CSV} can't be understood ({error!r})") from error
    if not content:
        raise PredictionError(f"{CSV} has no pictures")
    return Predictions(pictures, labels, predicted, confidence=confidence)


@functools.lru_cache(maxsize=16)
def in_order(
    pictures: tuple[str, ...], labels: tuple[str, ...]
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """The pictures' full names in order, and where each stands; all runs of a study share them.

    One class of pictures may hold the same file name as another, so the label is part of a name.
    """
    order = sorted(range(len(pictures)), key=lambda at: (pictures[at], labels[at]))
    names = tuple(f"{labels[at]}/{pictures[at]}" for at in order)
    return names, np.array(order, dtype=np.int64)
