"""The evidence on a study in one file, `evidence.zip`: all that a report is made from.

It is a zip, so that any system opens it and every member has its checksum; its tables are Parquet,
which most tools for data read. Nothing in it is code. Version 1 has these members:

`evidence.json`: `format` and `version`; `study`, its name; `plans`, what was asked for (`command`,
    `axes` as pairs of a name and its levels, `fingerprints`); `runs`, oldest first (`id`, `name`,
    `status`, `start` and `end` in ms since 1970, `params`, `metrics`, `tags`); `classes`, the lists
    of classes that runs chose from; `unreadable`, for each table why which runs are not in it. A
    metric that is no finite number is text: "nan", "inf".
`predictions.parquet`, `test_predictions.parquet`: a row a run and picture, of every finished run:
    `run` (its place in `runs`, from 0), `picture`, `label`, `predicted`, `classes` (the place of
    its list, -1 where that is not known), `probabilities` (of each of these classes, exact) or, of
    runs of earlier versions, `confidence` (the predicted class's, rounded).
`history.parquet`: a row a run and epoch: `run`, `epoch`, and each metric, null where not logged.

It names no machine, no person and no folder, but for what a report shows: the commands as they were
typed, the reasons of what failed or can't be read, and what was swept.
"""

import contextlib
import json
import math
import os
import shutil
import tempfile
import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ablation import config as schema
from ablation.config import ConfigError
from ablation.predictions import WORDS, Predictions
from ablation.record import Run
from ablation.report.evidence import HELD_BACK, VALIDATION, Evidence, Found, History
from ablation.study import Plan

if TYPE_CHECKING:
    import pyarrow as pa

NAME = "evidence.zip"
FORMAT, VERSION = "ablation evidence", 1
HEAD = "evidence.json"
TABLES = {VALIDATION: "predictions", HELD_BACK: "test_predictions"}
HISTORY = "history"

#: Probabilities that are read and written together.
AT_ONCE = 4_000_000


class EvidenceError(ConfigError):
    """A file of evidence that can't be read or written; its text says which and why."""


# --- Writing


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


# --- Reading


class Archived:
    """The evidence on a study in a file; see `evidence.Evidence`."""

    def __init__(self, path: Path) -> None:
        """Read all but the tables.

        Raises:
            EvidenceError: there is no such file, it is none of evidence, it is damaged, or of a
                format that this version does not know.
        """
        self.path = path
        with _told(path), _opened(path) as archive:
            head = json.loads(archive.read(HEAD))
            _check_format(path, head)
            self.study = str(head["study"])
            self.plans: Sequence[Plan] = [
                Plan(plan["command"], dict(plan["axes"]), plan["fingerprints"])
                for plan in head["plans"]
            ]
            self.runs: Sequence[Run] = [
                Run(**{**run, "metrics": {k: float(v) for k, v in run["metrics"].items()}})
                for run in head["runs"]
            ]
            self._places = {run.id: at for at, run in enumerate(self.runs)}
            if len(self._places) < len(self.runs):
                raise ValueError("a run is in it twice")
            self._classes = [tuple(names) for names in head["classes"]]
            self._unreadable: Mapping[str, Mapping[str, str]] = head["unreadable"]
            torn = archive.testzip()
            if torn:
                raise zipfile.BadZipFile(f"{torn} is not as it was written")
        if not schema.is_folder_name(self.study):
            raise EvidenceError(f"evidence={path}: its study's name {self.study!r} is no folder's")

    def predictions(
        self, run_ids: Collection[str], split: str, with_probabilities: bool = False
    ) -> Found[Predictions]:
        """What runs said of each picture of a split."""
        name = TABLES[split]
        with _told(self.path):
            table = self._table(name, [] if with_probabilities else ["probabilities"])
            parts = {
                run_id: self._said(part, with_probabilities)
                for run_id, part in self._by_run(table, run_ids)
            }
        return Found(parts, self._why(name, run_ids, parts))

    def _said(self, part: "pa.Table", with_probabilities: bool) -> Predictions:
        at = part.column("classes")[0].as_py()
        classes = self._classes[at] if at >= 0 else ()
        probabilities, confidence = None, None
        if with_probabilities and classes:
            flat = part.column("probabilities").combine_chunks().flatten()
            probabilities = flat.to_numpy().reshape(part.num_rows, len(classes))
        if not classes:
            confidence = part.column("confidence").to_numpy()
        pictures, labels, predicted = (part.column(name).to_pylist() for name in WORDS)
        return Predictions(pictures, labels, predicted, classes, probabilities, confidence)

    def histories(self, run_ids: Collection[str]) -> Found[History]:
        """Runs' metrics by epoch."""
        found: dict[str, History] = {}
        with _told(self.path):
            for run_id, part in self._by_run(self._table(HISTORY), run_ids):
                logged = [name for name in part.column_names if name != "run"]
                logged = [name for name in logged if part.column(name).null_count < part.num_rows]
                found[run_id] = {name: part.column(name).to_numpy() for name in logged}
        return Found(found, self._why(HISTORY, run_ids, found))

    def _table(self, name: str, without: Collection[str] = ()) -> "pa.Table":
        import pyarrow as pa
        from pyarrow import parquet

        with _opened(self.path) as archive:
            content = pa.BufferReader(archive.read(f"{name}.parquet"))
        with parquet.ParquetFile(content) as file:
            columns = [column for column in file.schema_arrow.names if column not in without]
            return file.read(columns)

    def _by_run(
        self, table: "pa.Table", run_ids: Collection[str]
    ) -> Iterator[tuple[str, "pa.Table"]]:
        """The rows of each of these runs, in the order of `run_ids`; a run's stand together."""
        numbers = table.column("run").to_numpy()
        if (np.diff(numbers) < 0).any() or (numbers >= len(self.runs)).any():
            raise ValueError("its rows do not fit its runs")
        places, starts = np.unique(numbers, return_index=True)
        ends = [*starts[1:], len(numbers)]
        rows = {
            int(at): (int(start), int(end))
            for at, start, end in zip(places, starts, ends, strict=False)
        }
        for run_id in run_ids:
            if self._places[run_id] in rows:
                start, end = rows[self._places[run_id]]
                yield run_id, table.slice(start, end - start)

    def _why(self, name: str, run_ids: Collection[str], read: Collection[str]) -> dict[str, str]:
        known, no_word = self._unreadable[name], f"it is not in {NAME}"
        return {run_id: known.get(run_id, no_word) for run_id in run_ids if run_id not in read}


def _check_format(path: Path, head: Any) -> None:
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise EvidenceError(_foreign(path))
    if head.get("version") != VERSION:
        raise EvidenceError(
            f"evidence={path}: its format is version {head.get('version')}, and this release of "
            f"ablation reads version {VERSION}; a newer release reads it"
        )


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    with zipfile.ZipFile(path) as archive:
        if HEAD not in archive.namelist():
            raise EvidenceError(_foreign(path))
        yield archive


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn whatever a file can be wrong in into one sentence."""
    try:
        yield
    except ConfigError:
        raise
    except FileNotFoundError as error:
        raise EvidenceError(f"evidence={path}: there is no such file") from error
    # Each layer of a damaged file fails in its own way: zip, compression, JSON, Parquet, content.
    except Exception as error:
        if not is_evidence(path):
            raise EvidenceError(_foreign(path)) from error
        raise EvidenceError(
            f"evidence={path}: the file is damaged ({_brief(error)}); take another copy of it"
        ) from error


def is_evidence(path: Path) -> bool:
    """Whether a file begins as one of evidence does, damaged further on or not."""
    try:
        with path.open("rb") as file:
            start = file.read(30 + len(HEAD))
    except OSError:
        return False
    return start.startswith(b"PK") and start.endswith(HEAD.encode())


def _foreign(path: Path) -> str:
    return (
        f"evidence={path}: this is no file of evidence; `python -m ablation.report study=NAME "
        f"evidence=FILE` writes one"
    )


def _brief(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), "")[:200] or type(error).__name__
