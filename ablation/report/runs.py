"""From MLflow to tables: which runs count, what they compare, what their predictions were.

The table of runs has a row for each run that finished and counts, oldest first. Its columns are
`run_id`, `name`, `artifact_uri`, `seed` (whole), each param as `params.NAME` (text, as MLflow
keeps it), each metric as `metrics.NAME` (its last value), each tag as `tags.NAME`. What a run did
not log is NaN.
"""

import csv
import io
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse
from urllib.request import url2pathname

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ablation import study as studies
from ablation import tracking
from ablation.config import Config
from ablation.study import Ledger, Plan

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

NOT_RECORDED = "not recorded"

#: Settings that tell replicates from each other, and so are never compared.
REPLICATES = "seed"


@dataclass(frozen=True)
class Runs:
    """What the store holds on a study.

    Attributes:
        study: its name.
        plans: what its commands asked for.
        ledger: every run, by what has become of it.
        table: the runs that count; see above.
        diverged: the same of those that diverged, which count in nothing.
        factors: what is compared → its levels, in the order in which they were asked for.
        searched: nuisance → its values in the study, likewise; without those that never vary.
    """

    study: str
    plans: Sequence[Plan]
    ledger: Ledger
    table: pd.DataFrame
    diverged: pd.DataFrame
    factors: Mapping[str, tuple[str, ...]]
    searched: Mapping[str, tuple[str, ...]]

    @property
    def is_complete(self) -> bool:
        """Whether all that was asked for has finished, and something has."""
        book = self.ledger
        asked = set(book.planned) or {*book.diverged, *book.failed, *book.running}
        return bool(book.finished) and asked <= set(book.finished)


def read(client: "MlflowClient", study: str, nuisances: Sequence[str] = ()) -> Runs:
    """All that the store holds on a study, but for the artifacts.

    Args:
        client: of the store.
        study: the study's name.
        nuisances: the keys or factors that are searched, not compared.

    Raises:
        TrackingError: the store has no such study.
    """
    experiment = tracking.find_study(client, study)
    plans = studies.plans(experiment)
    ledger = studies.ledger(plans, tracking.search(client, experiment.experiment_id))
    return _of_ledger(study, plans, ledger, nuisances)


def _of_ledger(study: str, plans: Sequence[Plan], ledger: Ledger, nuisances: Sequence[str]) -> Runs:
    table = as_table(runs[0] for runs in ledger.finished.values())
    diverged = as_table(ledger.diverged.values())
    plans = _oldest_first(plans, table)
    # A level at which every run diverged is a level all the same.
    ended = together(table, diverged)
    factors, searched = compared(ended, [plan.axes for plan in plans], nuisances)
    return Runs(study, plans, ledger, table, diverged, factors, searched)


def set_aside(found: Runs, diverged: Iterable[str], nuisances: Sequence[str]) -> Runs:
    """The same study, less finished runs that turn out to have diverged, by their ids."""
    ids = set(diverged)
    finished: dict[str, list[Run]] = {}
    lost = dict(found.ledger.diverged)
    for fingerprint, duplicates in found.ledger.finished.items():
        left = [run for run in duplicates if run.info.run_id not in ids]
        if left:
            finished[fingerprint] = left
        else:
            lost[fingerprint] = duplicates[0]
    ledger = replace(found.ledger, finished=finished, diverged=lost)
    return _of_ledger(found.study, found.plans, ledger, nuisances)


def together(table: pd.DataFrame, diverged: pd.DataFrame) -> pd.DataFrame:
    """Both, those of `table` first."""
    parts = [part for part in (table, diverged) if not part.empty]
    return pd.concat(parts, ignore_index=True) if len(parts) > 1 else (*parts, table)[0]


def as_table(runs: "Iterable[Run]") -> pd.DataFrame:
    """One row a run, oldest first, with the columns above."""
    rows = [
        {
            "run_id": run.info.run_id,
            "name": run.info.run_name,
            "artifact_uri": run.info.artifact_uri,
            "seed": int(run.data.params.get(REPLICATES, 0)),
            **{f"params.{key}": value for key, value in run.data.params.items()},
            **{f"metrics.{key}": value for key, value in run.data.metrics.items()},
            **{f"tags.{key}": value for key, value in run.data.tags.items()},
        }
        for run in sorted(runs, key=lambda run: run.info.start_time)
    ]
    return pd.DataFrame(rows, columns=None if rows else ["run_id", "name", "artifact_uri", "seed"])


def _oldest_first(plans: Sequence[Plan], table: pd.DataFrame) -> list[Plan]:
    """The plans by their oldest run, so that levels come in the order in which they were asked."""
    found = table.get("tags.fingerprint", pd.Series(dtype=object))
    age = {fingerprint: row for row, fingerprint in enumerate(found)}
    newest = len(age)
    return sorted(
        plans,
        key=lambda plan: min((age.get(name, newest) for name in plan.fingerprints), default=newest),
    )


def compared(
    table: pd.DataFrame,
    axes: Sequence[Mapping[str, Sequence[str]]],
    nuisances: Sequence[str],
) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
    """What is compared and what is searched, each with its levels.

    Compared is what the commands swept, and whatever else differs between finished runs and can
    change a result: runs of 5 and of 10 epochs in one study are never averaged.

    Args:
        table: the runs that count.
        axes: of each command, what was swept → its levels or values.
        nuisances: what is searched, not compared.
    """
    swept = list(dict.fromkeys(axis for one in axes for axis in one if axis != REPLICATES))
    if not table.empty:
        # A swept `experiment` is no param: what its files set differs, and is found below.
        swept = [axis for axis in swept if f"params.{axis}" in table]

    def levels(key: str) -> tuple[str, ...]:
        asked = (shown(value) for one in axes for value in one.get(key, ()))
        found = level_of(table, key) if f"params.{key}" in table else ()
        return tuple(dict.fromkeys([*asked, *found]))

    searched = {key: levels(key) for key in nuisances}
    factors = {key: levels(key) for key in swept if key not in nuisances}
    factors = {key: values for key, values in factors.items() if len(values) > 1}
    for key in _undetermined(table, [*factors, *nuisances]):
        factors[key] = levels(key)
    return factors, {key: values for key, values in searched.items() if len(values) > 1}


def _undetermined(table: pd.DataFrame, known: Sequence[str]) -> Iterator[str]:
    """Params that can change a result and differ between runs that are alike in all `known`."""
    idle = _cannot_change_a_result()
    varying = [
        key
        for key in params_of(table)
        if key not in idle and key not in known and table[f"params.{key}"].nunique(dropna=False) > 1
    ]
    # A factor comes before its keys: where `optimizer` differs, its `optimizer.lr` follows from it.
    varying.sort(key=lambda key: "." in key)
    groups = cell_index(table, known)
    for key in varying:
        parts = pd.DataFrame({"cell": groups, "key": level_of(table, key)})
        finer = _numbered(parts, ["cell", "key"])
        if finer.max() > groups.max():
            groups = finer
            yield key


def params_of(table: pd.DataFrame) -> list[str]:
    """The names of the params that any run logged."""
    names = [str(column) for column in table.columns]
    return [name.removeprefix("params.") for name in names if name.startswith("params.")]


def cell_index(table: pd.DataFrame, keys: Sequence[str]) -> NDArray[np.int64]:
    """A number for each row, of shape (n_runs,), the same for rows alike in all `keys`."""
    present = [f"params.{key}" for key in keys if f"params.{key}" in table]
    if not present or table.empty:
        return np.zeros(len(table), dtype=np.int64)
    return _numbered(table, present)


def _numbered(table: pd.DataFrame, columns: Sequence[str]) -> NDArray[np.int64]:
    numbers = table.groupby(list(columns), dropna=False, sort=False).ngroup()
    return np.asarray(numbers, dtype=np.int64)


def _cannot_change_a_result() -> set[str]:
    """Keys of the config that are no part of a run's identity, and the seed."""

    def walk(config: Any, prefix: str = "") -> Iterator[str]:
        for item in fields(config):
            value = getattr(config, item.name)
            if is_dataclass(value):
                yield from walk(value, f"{prefix}{item.name}.")
            elif not item.metadata["result"]:
                yield prefix + item.name

    return {*walk(Config()), REPLICATES}


def level_of(table: pd.DataFrame, key: str) -> list[str]:
    """Each run's level or value of a factor or key, as it is shown."""
    column = f"params.{key}"
    if column not in table:
        return [NOT_RECORDED] * len(table)
    values = table[column].tolist()
    words = {value: NOT_RECORDED if pd.isna(value) else shown(value) for value in set(values)}
    return [words[value] for value in values]


def shown(value: object) -> str:
    """A level or value in one spelling: 1e-3 and 0.001 are the same, and so are None and null."""
    text = str(value)
    if text in ("None", "True", "False"):
        return {"None": "null"}.get(text, text.lower())
    try:
        return f"{float(text):.10g}"
    except ValueError:
        return text


# --- Artifacts


@dataclass(frozen=True)
class Answers:
    """Which pictures each run classed right.

    Attributes:
        right: run id → of shape (n_pictures,), in the order of the run's pictures.
        pictures: run id → an index into `sets`.
        sets: the different sets of pictures, each in the order of `right`.
        unreadable: run id → why its predictions could not be read.
        predicted: run id → the class predicted of each picture, as a number that stands for the
            same class in all runs: of shape (n_pictures,), in the order of `right`.
        diverged: ids of the runs whose probabilities are not finite.
    """

    right: Mapping[str, NDArray[np.bool_]]
    pictures: Mapping[str, int]
    sets: Sequence[tuple[str, ...]]
    unreadable: Mapping[str, str]
    predicted: Mapping[str, NDArray[np.int32]] = field(default_factory=dict)
    diverged: frozenset[str] = frozenset()


def answers(
    client: "MlflowClient", table: pd.DataFrame, artifact: str = "predictions.csv"
) -> Answers:
    """Read the per-picture predictions of every run in the table."""
    texts, unreadable = _read_all(client, table, artifact)
    right: dict[str, NDArray[np.bool_]] = {}
    predicted: dict[str, NDArray[np.int32]] = {}
    pictures: dict[str, int] = {}
    sets: dict[tuple[str, ...], int] = {}
    classes: dict[str, int] = {}
    diverged = set()
    for run_id, text in texts.items():
        try:
            names, is_right, answered, is_finite = _parse(text)
        except (KeyError, ValueError, StopIteration) as error:
            unreadable[run_id] = f"{artifact} can't be understood ({error!r})"
            continue
        pictures[run_id] = sets.setdefault(names, len(sets))
        right[run_id] = is_right
        numbers = [classes.setdefault(name, len(classes)) for name in answered]
        predicted[run_id] = np.array(numbers, dtype=np.int32)
        if not is_finite:
            diverged.add(run_id)
    return Answers(right, pictures, list(sets), unreadable, predicted, frozenset(diverged))


def _parse(text: str) -> tuple[tuple[str, ...], NDArray[np.bool_], list[str], bool]:
    """The pictures' names, whether each was classed right, and as what, in the order of the names.

    And whether all probabilities are finite.
    """
    rows = csv.reader(io.StringIO(text))
    header = next(rows)
    name, label, predicted = map(header.index, ("picture", "label", "predicted"))
    confidence = header.index("confidence") if "confidence" in header else None
    # One class of pictures may hold the same file name as another.
    content = sorted(
        (row[name], row[label], row[predicted], confidence is None or row[confidence])
        for row in rows
        if row
    )
    if not content:
        raise ValueError("it has no pictures")
    names = tuple(f"{label}/{name}" for name, label, *_ in content)
    # What is not a number was written as nothing.
    is_finite = not any(share in ("", "nan", "inf") for *_, share in content)
    is_right = np.array([label == predicted for _, label, predicted, _ in content])
    return names, is_right, [predicted for *_, predicted, _ in content], is_finite


def histories(client: "MlflowClient", table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Run id → its metrics, a row an epoch; runs whose history can't be read are left out."""
    texts, _ = _read_all(client, table, "history.csv")
    found = {}
    for run_id, text in texts.items():
        try:
            history = pd.read_csv(io.StringIO(text))
        except (ValueError, pd.errors.ParserError):
            continue
        if {"epoch", "val/accuracy"} <= set(history):
            found[run_id] = history
    return found


def _read_all(
    client: "MlflowClient", table: pd.DataFrame, artifact: str
) -> tuple[dict[str, str], dict[str, str]]:
    """The text of one artifact of each run, by run id; and why it could not be read."""
    if table.empty:
        return {}, {}
    # Thousands of small files: a bar for each would hide everything else.
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

    def attempt(run_id: str, uri: str) -> tuple[str, str | Exception]:
        try:
            return run_id, _read(client, run_id, uri, artifact)
        # Each kind of artifact store fails in its own way.
        except Exception as error:
            return run_id, error

    with ThreadPoolExecutor(16) as pool:
        results = dict(pool.map(attempt, table.run_id, table.artifact_uri))
    texts = {run_id: text for run_id, text in results.items() if isinstance(text, str)}
    errors = {run_id: str(error) for run_id, error in results.items() if not isinstance(error, str)}
    return texts, errors


def _read(client: "MlflowClient", run_id: str, uri: str, artifact: str) -> str:
    folder = local_folder(uri)
    if folder is not None:
        return (folder / artifact).read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as place:
        path = client.download_artifacts(run_id, artifact, place)
        return Path(path).read_text(encoding="utf-8")


def local_folder(uri: str) -> Path | None:
    """The folder of a run's artifacts where it lies on this machine's disk."""
    parts = urlparse(uri)
    if parts.scheme == "file":
        return Path(url2pathname(parts.path))
    return Path(uri) if not parts.scheme else None
