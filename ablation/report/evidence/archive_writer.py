"""Writes the evidence on a study into one file. `archive` describes the format and reads it."""

import json
import math
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ablation.report.evidence.archive import (
    FORMAT,
    HEAD,
    HISTORY,
    NAME,
    TABLES,
    VERSION,
    Archived,
    EvidenceError,
)
from ablation.report.evidence.source import VALIDATION, Evidence
from ablation.training.predictions import Predictions

if TYPE_CHECKING:
    import pyarrow as pa

#: Probabilities that are read and written together.
AT_ONCE = 4_000_000


def save(evidence: Evidence, path: Path) -> None:
    """Write all that is known about a study into the file that a person named.

    Args:
        evidence: on the study.
        path: of the file; an older one is replaced.

    Raises:
        EvidenceError: it can't be written.
    """
    try:
        write(evidence, path)
    except OSError as error:
        raise EvidenceError(
            f"evidence={path}: can't be written ({error.strerror or error})"
        ) from error


def write(evidence: Evidence, path: Path) -> None:
    """Write all that is known about a study into a file, whole or not at all.

    Args:
        evidence: on the study.
        path: of the file, in an existing folder; an older one is replaced.

    Raises:
        OSError: it can't be written.
    """
    with tempfile.TemporaryDirectory(prefix=".evidence-", dir=path.parent) as place:
        fresh = Path(place) / NAME
        if isinstance(evidence, Archived):
            shutil.copyfile(evidence.path, fresh)
        else:
            _write(evidence, fresh)
        os.replace(fresh, path)


def _write(evidence: Evidence, path: Path) -> None:
    places = {run.id: at for at, run in enumerate(evidence.runs) if run.status == "FINISHED"}
    classes: dict[tuple[str, ...], int] = {}
    unreadable: dict[str, Mapping[str, str]] = {}
    files = {name: path.with_name(f"{name}.parquet") for name in (*TABLES.values(), HISTORY)}
    for split, name in TABLES.items():
        # Only runs that evaluated pictures held back have this metric.
        wanted = {
            run_id: at
            for run_id, at in places.items()
            if split == VALIDATION or "test_accuracy" in evidence.runs[at].metrics
        }
        unreadable[name] = _write_predictions(evidence, wanted, split, classes, files[name])
    unreadable[HISTORY] = _write_histories(evidence, places, files[HISTORY])
    _zip(path, _head(evidence, classes, unreadable), files.values())


def _head(
    evidence: Evidence,
    classes: Iterable[tuple[str, ...]],
    unreadable: Mapping[str, Mapping[str, str]],
) -> dict[str, Any]:
    """The content of `evidence.json`.

    Args:
        evidence: on the study.
        classes: the lists of classes that runs predicted, by their places.
        unreadable: table → run id → why the run is not in it.
    """
    return {
        "format": FORMAT,
        "version": VERSION,
        "study": evidence.study,
        "plans": [
            {
                "command": plan.command,
                "axes": [[axis, list(levels)] for axis, levels in plan.axes.items()],
                "fingerprints": list(plan.fingerprints),
                "looks": list(plan.looks),
            }
            for plan in evidence.plans
        ],
        "runs": [
            {**vars(run), "metrics": {k: _in_json(v) for k, v in run.metrics.items()}}
            for run in evidence.runs
        ],
        "classes": [list(names) for names in classes],
        "unreadable": unreadable,
    }


def _zip(path: Path, head: Mapping[str, Any], files: Iterable[Path]) -> None:
    """Put the head and the tables into one zip file."""
    with zipfile.ZipFile(path, "w") as archive:
        # Members have no time stamps, so that the same evidence makes the same file.
        info = zipfile.ZipInfo(HEAD)
        info.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(info, json.dumps(head, allow_nan=False))
        for file in files:
            with file.open("rb") as source:
                # Stored as it is: Parquet has compressed it already.
                member = zipfile.ZipInfo(file.name)
                with archive.open(member, "w", force_zip64=True) as target:
                    shutil.copyfileobj(source, target)


def _in_json(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)


def _write_predictions(
    evidence: Evidence,
    places: Mapping[str, int],
    split: str,
    classes: dict[tuple[str, ...], int],
    path: Path,
) -> dict[str, str]:
    """Write the table of a split, some runs at a time.

    Args:
        evidence: on the study.
        places: ids of runs → their places.
        split: VALIDATION or HELD_BACK.
        classes: lists of classes → their places; lists that are new are added.
        path: of the table.

    Returns:
        Run id → why its predictions are not in the table.
    """
    import pyarrow as pa
    from pyarrow import parquet

    schema = _schema_of_predictions()
    unreadable: dict[str, str] = {}
    left, n_together = list(places), 1
    with parquet.ParquetWriter(
        path,
        schema,
        compression="zstd",
        use_dictionary=["run", "picture", "label", "predicted", "classes", "confidence"],
        column_encoding={"probabilities.list.element": "BYTE_STREAM_SPLIT"},
        write_statistics=False,
    ) as writer:
        while left:
            part, left = left[:n_together], left[n_together:]
            found = evidence.predictions(part, split, with_probabilities=True)
            unreadable |= found.unreadable
            if not found.read:
                continue
            columns = _columns({places[run]: said for run, said in found.read.items()}, classes)
            writer.write_table(pa.table(columns, schema=schema))
            # The first part, of one run, shows how large the runs are.
            size = max(len(s.pictures) * max(len(s.classes), 1) for s in found.read.values())
            n_together = max(AT_ONCE // max(size, 1), 1)
    return unreadable


def _schema_of_predictions() -> "pa.Schema":
    import pyarrow as pa

    words = pa.string()
    return pa.schema(
        {
            "run": pa.int32(), "picture": words, "label": words, "predicted": words,
            "classes": pa.int32(), "confidence": pa.float64(),
            "score": pa.float32(), "probabilities": pa.list_(pa.float32()),
        }
    )  # fmt: skip


def _columns(
    said: Mapping[int, Predictions], classes: dict[tuple[str, ...], int]
) -> dict[str, Any]:
    """The columns of the table for some runs, by their places; `classes` as above."""
    import pyarrow as pa

    sizes = [len(one.pictures) for one in said.values()]
    chances = [one.probabilities for one in said.values()]
    widths = [0 if one is None else one.shape[1] for one in chances]
    offsets = np.concatenate([[0], np.cumsum(np.repeat(widths, sizes))])
    flat = [one.ravel() for one in chances if one is not None]
    confidence = [
        np.full(size, np.nan) if one.confidence is None else one.confidence
        for size, one in zip(sizes, said.values(), strict=True)
    ]
    of = [
        classes.setdefault(one.classes, len(classes)) if one.classes else -1
        for one in said.values()
    ]
    return {
        "run": np.repeat(list(said), sizes),
        "picture": [name for one in said.values() for name in one.pictures],
        "label": [name for one in said.values() for name in one.labels],
        "predicted": [name for one in said.values() for name in one.predicted],
        "classes": np.repeat(of, sizes),
        "confidence": np.concatenate(confidence),
        "score": [score for one in said.values() for score in _scores(one)],
        "probabilities": pa.ListArray.from_arrays(
            pa.array(offsets, pa.int32()),
            pa.array(np.concatenate(flat) if flat else np.zeros(0, np.float32)),
        ),
    }


def _scores(said: Predictions) -> list[float | None]:
    return [None] * len(said.pictures) if said.scores is None else said.scores.tolist()


def _write_histories(evidence: Evidence, places: Mapping[str, int], path: Path) -> dict[str, str]:
    """Write the table of epochs; run id → why its history is not in it."""
    import pyarrow as pa
    from pyarrow import parquet

    found = evidence.histories(list(places))
    names = list(dict.fromkeys(name for one in found.read.values() for name in one))
    sizes = [len(one["epoch"]) for one in found.read.values()]
    numbers = np.repeat([places[run_id] for run_id in found.read], sizes)
    columns: dict[str, Any] = {"run": pa.array(numbers, pa.int32())}
    for name in names:
        parts = [
            pa.array(one[name]) if name in one else pa.nulls(size, pa.float64())
            for one, size in zip(found.read.values(), sizes, strict=True)
        ]
        columns[name] = pa.chunked_array(parts, pa.float64())
    parquet.write_table(pa.table(columns), path, compression="zstd", write_statistics=False)
    return dict(found.unreadable)
