"""From evidence to tables: which runs count, and what they compare.

The table of runs has a row for each run that finished and counts, oldest first. Its columns are
`run_id`, `name`, `seed` (whole), each param as `params.NAME` (text, as MLflow keeps it), each
metric as `metrics.NAME` (its last value), each tag as `tags.NAME`. What a run did not log is NaN.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray

from ablation import first_version
from ablation.config import LATER, SCHEMA
from ablation.report.evidence.source import Evidence
from ablation.study import ledger as ledgers
from ablation.study.fractions import fraction_of
from ablation.study.ledger import Ledger, Plan
from ablation.study.record import Run
from ablation.targets import TARGET

NOT_RECORDED = "not recorded"

#: The setting in which replicates differ. It is never compared.
REPLICATES = "seed"
#: The setting that says into how many folds the pictures are divided; a seed is a fold then.
FOLDS = "data.folds"


@dataclass(frozen=True)
class Runs:
    """The runs of a study, and what they compare.

    Attributes:
        study: its name.
        plans: what its commands asked for.
        ledger: every run, by what has become of it.
        table: the runs that count; see above.
        diverged: the runs that diverged, in the same form; no claim uses them.
        factors: what is compared → its levels, in the order in which they were asked for.
        searched: nuisance → its values in the study, in the same order; only those that vary.
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


def read(evidence: Evidence, nuisances: Sequence[str] = ()) -> Runs:
    """The runs of a study, and what they compare.

    Args:
        evidence: on the study.
        nuisances: the keys or factors that are searched, not compared.
    """
    ledger = ledgers.ledger(evidence.plans, evidence.runs)
    return _of_ledger(evidence.study, evidence.plans, ledger, nuisances)


def _of_ledger(study: str, plans: Sequence[Plan], ledger: Ledger, nuisances: Sequence[str]) -> Runs:
    table = as_table(runs[0] for runs in ledger.finished.values())
    diverged = as_table(ledger.diverged.values())
    plans = _oldest_first(plans, table)
    # A level at which every run diverged is still a level of its factor.
    ended = finished_and_diverged(table, diverged)
    factors, searched = compared(ended, [plan.axes for plan in plans], nuisances)
    return Runs(study, plans, ledger, table, diverged, factors, searched)


def set_aside(found: Runs, diverged: Iterable[str], nuisances: Sequence[str]) -> Runs:
    """The same study, with finished runs that turn out to have diverged moved to the diverged ones.

    Args:
        found: the study.
        diverged: ids of runs.
        nuisances: as in `read`.
    """
    ids = set(diverged)
    finished: dict[str, list[Run]] = {}
    diverged_runs = dict(found.ledger.diverged)
    for fingerprint, duplicates in found.ledger.finished.items():
        left = [run for run in duplicates if run.id not in ids]
        if left:
            finished[fingerprint] = left
        else:
            diverged_runs[fingerprint] = duplicates[0]
    ledger = replace(found.ledger, finished=finished, diverged=diverged_runs)
    return _of_ledger(found.study, found.plans, ledger, nuisances)


def finished_and_diverged(table: pd.DataFrame, diverged: pd.DataFrame) -> pd.DataFrame:
    """Both tables in one, the finished runs first."""
    parts = [part for part in (table, diverged) if not part.empty]
    return pd.concat(parts, ignore_index=True) if len(parts) > 1 else (*parts, table)[0]


def _params(run: Run) -> dict[str, str]:
    """A run's params, with those that runs of earlier versions lack."""
    return {**{key: str(value) for key, value in LATER.items()}, **first_version.params(run.params)}


def as_table(runs: Iterable[Run]) -> pd.DataFrame:
    """One row for each run, oldest first, with the columns above."""
    rows = [
        {
            "run_id": run.id,
            "name": run.name,
            "seed": int(run.params.get(REPLICATES, 0)),
            **{f"params.{key}": value for key, value in _params(run).items()},
            **{f"metrics.{key}": value for key, value in run.metrics.items()},
            **{f"tags.{key}": value for key, value in run.tags.items()},
        }
        for run in sorted(runs, key=lambda run: run.start)
    ]
    return pd.DataFrame(rows, columns=None if rows else ["run_id", "name", "seed"])


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
    swept += [axis for axis in _swept_by_commands(table) if axis not in swept]
    if not table.empty:
        # A swept `experiment` is not a param: the keys that its files set are found below.
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
    for key in _confounded(table, [*factors], nuisances):
        factors[key] = levels(key)
    return factors, {key: values for key, values in searched.items() if len(values) > 1}


def _swept_by_commands(table: pd.DataFrame) -> list[str]:
    """What the commands of the runs swept, as each run recorded it.

    An adaptive sweeper leaves no plan. Where it searches a learning rate, each run has its own,
    from which everything else would follow.
    """
    texts = table.get("params.axes", pd.Series(dtype=object)).dropna().unique()
    return list(dict.fromkeys(axis for text in texts for axis in yaml.safe_load(text)))


def _undetermined(table: pd.DataFrame, known: Sequence[str]) -> Iterator[str]:
    """Params that can change a result and differ between runs that are equal in all `known`."""
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


def _confounded(
    table: pd.DataFrame, known: Sequence[str], nuisances: Sequence[str]
) -> Iterator[str]:
    """Config groups that follow from all `known` together, because the cells are a fraction.

    In half of a grid the level of any factor follows from those of all others, so that one of them
    would be taken for no factor where no command's plan names it.
    """
    idle = {*_cannot_change_a_result(), *known, *nuisances}
    varying = [
        key
        for key in params_of(table)
        if "." not in key and key not in idle and table[f"params.{key}"].nunique(dropna=False) > 1
    ]
    names = [*known, *varying]
    cells = set(zip(*(level_of(table, key) for key in names), strict=True)) if varying else set()
    if fraction_of(cells, names) is not None:
        yield from varying


def params_of(table: pd.DataFrame) -> list[str]:
    """The names of the params that any run logged."""
    names = [str(column) for column in table.columns]
    return [name.removeprefix("params.") for name in names if name.startswith("params.")]


def tasks_of(table: pd.DataFrame) -> set[str]:
    """The tasks of a person's own that the runs did; none where networks were trained."""
    return set(level_of(table, f"task.{TARGET}")) - {"null", NOT_RECORDED}


def cell_index(table: pd.DataFrame, keys: Sequence[str]) -> NDArray[np.int64]:
    """A number for each row, of shape (n_runs,), the same for rows that are equal in all `keys`."""
    present = [f"params.{key}" for key in keys if f"params.{key}" in table]
    if not present or table.empty:
        return np.zeros(len(table), dtype=np.int64)
    return _numbered(table, present)


def _numbered(table: pd.DataFrame, columns: Sequence[str]) -> NDArray[np.int64]:
    numbers = table.groupby(list(columns), dropna=False, sort=False).ngroup()
    return np.asarray(numbers, dtype=np.int64)


def _cannot_change_a_result() -> set[str]:
    """Keys of the config that are not part of a run's identity, and the seed."""
    idle = (key for key, item in SCHEMA.items() if not item.result)
    return {*idle, REPLICATES}


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
