"""How the evidence on a study gets into one file; `archive` says what it holds and reads it."""

import json
import math
import os
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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

#: Probabilities that are read and written together.
AT_ONCE = 4_000_000


def save(evidence: Evidence, path: Path) -> None:
    """As `write`, into the file that a person named.

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
    """Write all that is known of a study into a file, whole or not at all.

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
    tables: dict[str, Path] = {}
    for split, name in TABLES.items():
        # Only runs that were asked about pictures held back have this metric.
        asked = [
            run_id
            for run_id, at in places.items()
            if split == VALIDATION or "test_accuracy" in evidence.runs[at].metrics
        ]
        tables[name] = path.with_name(f"{name}.parquet")
        wanted = {run_id: places[run_id] for run_id in asked}
        unreadable[name] = _write_predictions(evidence, wanted, split, classes, tables[name])
    tables[HISTORY] = path.with_name(f"{HISTORY}.parquet")
    unreadable[HISTORY] = _write_histories(evidence, places, tables[HISTORY])
    head = {
        "format": FORMAT,
        "version": VERSION,
        "study": evidence.study,
        "plans": [
            {
                "command": plan.command,
                "axes": [[axis, list(levels)] for axis, levels in plan.axes.items()],
                "fingerprints": list(plan.fingerprints),
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
    with zipfile.ZipFile(path, "w") as archive:
        # With no time of its own, the same evidence makes the same file.
        info = zipfile.ZipInfo(HEAD)
        info.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(info, json.dumps(head, allow_nan=False))
        for file in tables.values():
            with file.open("rb") as source:
                # Compressed already, column by column.
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
    """Write the table of a split, some runs at a time; why which runs are not in it.

    Args:
        places: the runs' ids → their places.
        classes: the lists of classes that were met → their places; added to.
    """
    import pyarrow as pa
    from pyarrow import parquet

    words = pa.string()
    form = pa.schema(
        {
            "run": pa.int32(), "picture": words, "label": words, "predicted": words,
            "classes": pa.int32(), "confidence": pa.float64(),
            "probabilities": pa.list_(pa.float32()),
        }
    )  # fmt: skip
    unreadable: dict[str, str] = {}
    left, n_together = list(places), 1
    with parquet.ParquetWriter(
        path,
        form,
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
            writer.write_table(pa.table(columns, schema=form))
            size = max(len(s.pictures) * max(len(s.classes), 1) for s in found.read.values())
            n_together = max(AT_ONCE // max(size, 1), 1)
    return unreadable


def _columns(
    said: Mapping[int, Predictions], classes: dict[tuple[str, ...], int]
) -> dict[str, Any]:
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
        "probabilities": pa.ListArray.from_arrays(
            pa.array(offsets, pa.int32()),
            pa.array(np.concatenate(flat) if flat else np.zeros(0, np.float32)),
        ),
    }


def _write_histories(evidence: Evidence, places: Mapping[str, int], path: Path) -> dict[str, str]:
    """Write the table of the epochs; why which runs are not in it."""
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
