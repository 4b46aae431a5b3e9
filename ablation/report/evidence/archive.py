"""The evidence on a study in one file, `evidence.zip`: everything that a report is made from.

It is a zip file, so that any system opens it and every member has a checksum; its tables are
Parquet, which most data tools read. It holds no code. Version 1 has these members:

`evidence.json`: `format` and `version`; `study`, its name; `plans`, what was asked for (`command`,
    `axes` as pairs of a name and its levels, `fingerprints`); `runs`, oldest first (`id`, `name`,
    `status`, `start` and `end` in ms since 1970, `params`, `metrics`, `tags`); `classes`, the lists
    of classes that runs predicted; `unreadable`, for each table the runs that are not in it and
    why. A metric that is not finite is text: "nan", "inf".
`predictions.parquet`, `test_predictions.parquet`: of every finished run, a row for each picture:
    `run` (its place in `runs`, from 0), `picture`, `label`, `predicted`, `classes` (the place of
    its list, -1 where that is not known), `probabilities` (of each of these classes, exact) or, of
    runs of earlier versions, `confidence` (the predicted class's, rounded); `score`, that a run of
    one's own gave to the example, else null.
`history.parquet`: a row for each run and epoch: `run`, `epoch`, and each metric, null where it
    was not logged.

It names no machine, person or folder, except in what a report shows: the commands as they were
typed, why runs failed or can't be read, and what was swept.
"""

import contextlib
import json
import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ablation.errors import ConfigError, first_line
from ablation.names import is_folder_name
from ablation.report.evidence.source import HELD_BACK, VALIDATION, Found, History
from ablation.study.ledger import Plan
from ablation.study.record import Run
from ablation.training.predictions import WORDS, Predictions

if TYPE_CHECKING:
    import pyarrow as pa

NAME = "evidence.zip"
FORMAT, VERSION = "ablation evidence", 1
HEAD = "evidence.json"
TABLES = {VALIDATION: "predictions", HELD_BACK: "test_predictions"}
HISTORY = "history"


class EvidenceError(ConfigError):
    """A file of evidence can't be read or written; the message says which and why."""


class Archived:
    """The evidence on a study in a file; see `source.Evidence`."""

    def __init__(self, path: Path) -> None:
        """Read everything except the tables.

        Raises:
            EvidenceError: there is no such file, it holds something else, is damaged, or has a
                format that this version does not know.
        """
        self.path = path
        with _explained(path), _opened(path) as archive:
            head = json.loads(archive.read(HEAD))
            _check_format(path, head)
            self.study = str(head["study"])
            self.plans: Sequence[Plan] = [
                Plan(
                    plan["command"],
                    dict(plan["axes"]),
                    plan["fingerprints"],
                    tuple(plan.get("looks", ())),  # An earlier version had none.
                )
                for plan in head["plans"]
            ]
            self.runs: Sequence[Run] = [
                Run(**{**run, "metrics": {k: float(v) for k, v in run["metrics"].items()}})
                for run in head["runs"]
            ]
            self.folders: Mapping[str, str] = {}
            self._places = {run.id: at for at, run in enumerate(self.runs)}
            if len(self._places) < len(self.runs):
                raise ValueError("a run is in it twice")
            self._classes = [tuple(names) for names in head["classes"]]
            self._unreadable: Mapping[str, Mapping[str, str]] = head["unreadable"]
            damaged = archive.testzip()
            if damaged:
                raise zipfile.BadZipFile(f"{damaged} is not as it was written")
        if not is_folder_name(self.study):
            raise EvidenceError(
                f"evidence={path}: its study's name {self.study!r} can't name a folder"
            )

    def predictions(
        self, run_ids: Collection[str], split: str, with_probabilities: bool = False
    ) -> Found[Predictions]:
        """The runs' predictions of each picture of a split."""
        name = TABLES[split]
        with _explained(self.path):
            table = self._table(name, [] if with_probabilities else ["probabilities"])
            parts = {
                run_id: self._predictions_in(part, with_probabilities)
                for run_id, part in self._by_run(table, run_ids)
            }
        return Found(parts, self._reasons(name, run_ids, parts))

    def _predictions_in(self, part: "pa.Table", with_probabilities: bool) -> Predictions:
        at = part.column("classes")[0].as_py()
        classes = self._classes[at] if at >= 0 else ()
        probabilities, confidence = None, None
        if with_probabilities and classes:
            flat = part.column("probabilities").combine_chunks().flatten()
            probabilities = flat.to_numpy().reshape(part.num_rows, len(classes))
        if not classes:
            given = part.column("confidence").to_numpy()
            confidence = None if np.isnan(given).all() else given
        scores = None
        if "score" in part.column_names and part.column("score").null_count == 0:
            scores = part.column("score").to_numpy()
        pictures, labels, predicted = (part.column(name).to_pylist() for name in WORDS)
        return Predictions(pictures, labels, predicted, classes, probabilities, confidence, scores)

    def histories(self, run_ids: Collection[str]) -> Found[History]:
        """Runs' metrics by epoch."""
        found: dict[str, History] = {}
        with _explained(self.path):
            for run_id, part in self._by_run(self._table(HISTORY), run_ids):
                logged = [name for name in part.column_names if name != "run"]
                logged = [name for name in logged if part.column(name).null_count < part.num_rows]
                found[run_id] = {name: part.column(name).to_numpy() for name in logged}
        return Found(found, self._reasons(HISTORY, run_ids, found))

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

    def _reasons(
        self, name: str, run_ids: Collection[str], read: Collection[str]
    ) -> dict[str, str]:
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
def _explained(path: Path) -> Iterator[None]:
    """Turn whatever is wrong with the file into one sentence."""
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
            f"evidence={path}: the file is damaged ({first_line(error)}); take another copy of it"
        ) from error


def is_evidence(path: Path) -> bool:
    """Whether a file begins like a file of evidence, even if it is damaged further on."""
    try:
        with path.open("rb") as file:
            start = file.read(30 + len(HEAD))
    except OSError:
        return False
    return start.startswith(b"PK") and start.endswith(HEAD.encode())


def _foreign(path: Path) -> str:
    return (
        f"evidence={path}: this is not a file of evidence; `python -m ablation.report study=NAME "
        f"evidence=FILE` writes one"
    )
