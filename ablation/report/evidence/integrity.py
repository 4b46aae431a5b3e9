"""Checks that each arm of a study was trained as its name says, from the table of runs.

A check that fails is a breach: the report then does not compare what was asked for.
What a run did not record is reported as not recorded; that is not a breach.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ablation.report.evidence.answers import Answers
from ablation.report.evidence.runs import FOLDS, NOT_RECORDED, REPLICATES, level_of

#: The largest relative difference between the measured strength of a penalty and the requested one.
PENALTY_TOLERANCE = 0.1


@dataclass(frozen=True)
class Check:
    """What one check found.

    Attributes:
        holds: the statement that was checked.
        n_checked: runs that recorded what the check needs.
        n_concerned: runs that the statement is about.
        breaches: a sentence for the reader on each breach; none where the statement holds.
        warnings: a sentence on what is not a breach but worth knowing.
    """

    holds: str
    n_checked: int
    n_concerned: int
    breaches: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def check(table: pd.DataFrame, factors: Iterable[str], answers: Answers) -> list[Check]:
    """All checks, on the runs that count.

    Args:
        table: the runs, as `runs.as_table` gives them.
        factors: what is compared; what differs on purpose is not a breach.
        answers: their predictions.
    """
    if table.empty:
        return []
    compared = tuple(factors)
    return [
        frozen_stayed(table),
        scratch_started_at_random(table),
        penalty_as_asked(table, compared),
        same_data(table, compared),
        same_weights(table, compared),
        same_steps(table, compared),
        same_code(table),
        same_versions(table),
        same_arithmetic(table),
        predictions_agree(table, answers),
    ]


def frozen_stayed(table: pd.DataFrame) -> Check:
    """Digests of what is frozen, before and after the training."""
    frozen = table[column(table, "params.transfer.trained").isin(["head", "stages"])]
    before = column(frozen, "tags.frozen_digest_before")
    after = column(frozen, "tags.frozen_digest_after")
    recorded = before.notna() & after.notna()
    return Check(
        "training changed no frozen weight and no frozen buffer",
        int(recorded.sum()),
        len(frozen),
        _breach(frozen[recorded & (before != after)], "a frozen weight or buffer changed"),
    )


def scratch_started_at_random(table: pd.DataFrame) -> Check:
    """Runs from scratch loaded no weights, and did not start from those of a pre-trained run."""
    pretrained = column(table, "params.transfer.pretrained")
    scratch, other = table[pretrained == "False"], table[pretrained == "True"]
    loaded = column(scratch, "tags.weights_digest")
    start = column(scratch, "tags.start_digest")
    known_starts = set(column(other, "tags.start_digest").dropna())
    is_breach = (loaded.notna() & (loaded != "none")) | (start.notna() & start.isin(known_starts))
    return Check(
        "runs from scratch started from no pre-trained weight",
        int((loaded.notna() | start.notna()).sum()),
        len(scratch),
        _breach(scratch[is_breach], "a run from scratch started from pre-trained weights"),
    )


def penalty_as_asked(table: pd.DataFrame, factors: Sequence[str]) -> Check:
    """Each penalty was on where its level has it, off elsewhere, and measured as strong as asked.

    A strength of 0 is not a breach where the strength itself is compared.
    """
    targets = column(table, "params.reg._target_")
    recorded = targets.notna()
    names = targets.fillna("").str.rpartition(".")[2]
    has_either = {"l1": names.isin(["L1", "ElasticNet"]), "l2": names.isin(["L2", "ElasticNet"])}
    is_other = recorded & ~names.isin(["None", "L1", "L2", "ElasticNet"])
    breaches: list[str] = []
    any_on = pd.Series(False, index=table.index)
    for name in ("l1", "l2"):
        asked = pd.to_numeric(column(table, f"params.reg.{name}"), errors="coerce")
        applied = pd.to_numeric(column(table, f"tags.applied_{name}"), errors="coerce")
        has = recorded & has_either[name]
        asked = asked.where(has, 0.0)
        any_on |= has & (asked > 0)
        missing = has & ~(asked > 0)
        extra = recorded & ~is_other & ~has & (applied > 0)
        wrong = has & ((applied - asked).abs() > PENALTY_TOLERANCE * asked + 1e-6)
        doubled = wrong & (asked > 0) & (applied > 1.5 * asked)
        if f"reg.{name}" not in factors:
            breaches += _breach(table[missing], f"the {name} penalty was off")
        breaches += _breach(table[extra], f"an {name} penalty was on where none was asked for")
        breaches += _breach(table[doubled], f"the {name} penalty was stronger than asked for")
        breaches += _breach(table[wrong & ~doubled], f"the {name} penalty was not as asked for")
    value = pd.to_numeric(column(table, "metrics.train/penalty"), errors="coerce")
    length = pd.to_numeric(column(table, "tags.applied_penalty"), errors="coerce")
    silent = (any_on & (value <= 0)) | (is_other & (value == 0) & (length == 0))
    present = recorded & ~is_other & ~any_on & (value > 0)
    breaches += _breach(table[silent], "a penalty was asked for, and its value stayed 0")
    breaches += _breach(table[present], "no penalty was asked for, and its value was above 0")
    return Check(
        "each penalty was on where it was asked for, off elsewhere, and as strong as asked for",
        int((recorded & value.notna()).sum()),
        len(table),
        tuple(breaches),
    )


def same_data(table: pd.DataFrame, factors: Sequence[str]) -> Check:
    """One digest of the pictures and their split among runs with the same data settings."""
    keys = ("data", *(key for key in factors if key.startswith("data.")), *_fold(table))
    return _one_each(
        table,
        "tags.data_digest",
        keys,
        "all runs saw the same pictures, split in the same way",
        "runs saw different pictures or another split of them",
    )


def same_weights(table: pd.DataFrame, factors: Sequence[str]) -> Check:
    """One digest of the pre-trained weights for each network."""
    pretrained = table[column(table, "params.transfer.pretrained") == "True"]
    keys = ("model", *(key for key in factors if key.startswith("model.")))
    return _one_each(
        pretrained,
        "tags.weights_digest",
        keys,
        "all pre-trained runs of a network started from the same weights",
        "pre-trained runs of one network started from different weights",
    )


def same_steps(table: pd.DataFrame, factors: Sequence[str]) -> Check:
    """One number of training steps among runs of the same epochs, batches and pictures."""
    of_data = (key for key in factors if key.startswith("data."))
    keys = ("data", "epochs", "batch_size", *of_data, *_fold(table))
    return _one_each(
        table,
        "tags.n_steps",
        keys,
        "runs of the same epochs, batches and pictures took the same number of steps",
        "runs that should take as many steps took different numbers of them",
    )


def same_code(table: pd.DataFrame) -> Check:
    """One commit; files that differ from it are a warning."""
    found = _one_each(
        table,
        "tags.code_commit",
        (),
        "all runs came from one version of the code",
        "runs came from different versions of the code",
    )
    n_dirty = int((column(table, "tags.code_dirty") == "true").sum())
    warning = f"{_runs(n_dirty)} had changes in the code that are in no commit"
    return Check(
        found.holds,
        found.n_checked,
        found.n_concerned,
        found.breaches,
        (warning,) if n_dirty else (),
    )


def same_versions(table: pd.DataFrame) -> Check:
    """One set of library versions; the libraries that differ are named."""
    texts = column(table, "tags.versions")
    breaches: tuple[str, ...] = ()
    sets = [versions(text) for text in texts.dropna().unique()]
    names = list(dict.fromkeys(name for one in sets for name in one))
    differing = {
        name: sorted({one.get(name, NOT_RECORDED) for one in sets})
        for name in names
        if len({one.get(name) for one in sets}) > 1
    }
    if differing:
        listed = "; ".join(f"{name} {', '.join(found)}" for name, found in differing.items())
        breaches = (f"runs used different library versions: {listed}",)
    return Check(
        "all runs used one set of library versions", int(texts.notna().sum()), len(table), breaches
    )


def same_arithmetic(table: pd.DataFrame) -> Check:
    """One kind of device, one precision, one number of threads: a difference is a warning."""
    device = column(table, "tags.device").str.partition(":")[0]
    threads = column(table, "tags.threads").map(_threads, na_action="ignore")
    # A GPU's results don't depend on the number of CPU threads.
    threads = threads.astype(object).where(threads.notna() & (device == "cpu"), "")
    kinds = (device + ", " + column(table, "tags.precision") + threads).dropna()
    warnings: tuple[str, ...] = ()
    if kinds.nunique() > 1:
        counts = "; ".join(f"{kind}: {_runs(n)}" for kind, n in kinds.value_counts().items())
        warnings = (f"runs were computed in different ways: {counts}",)
    return Check(
        "all runs used one kind of device, one precision and one number of threads",
        len(kinds),
        len(table),
        warnings=warnings,
    )


def predictions_agree(table: pd.DataFrame, answers: Answers) -> Check:
    """The accuracy that a run logged is the one that its predictions give."""
    logged = pd.to_numeric(column(table, "metrics.best_val_accuracy"), errors="coerce")
    counted = pd.Series(
        [
            answers.right[run_id].mean() if run_id in answers.right else np.nan
            for run_id in table.run_id
        ],
        index=table.index,
    )
    is_checked = table.run_id.isin(set(answers.right) | set(answers.unreadable))
    return Check(
        "each logged accuracy is what the run's predictions give",
        int((logged.notna() & counted.notna()).sum()),
        int(is_checked.sum()),
        _breach(
            table[(logged - counted).abs() > 1e-4],
            "the logged accuracy is not what the predictions give",
        ),
    )


def _fold(table: pd.DataFrame) -> tuple[str, ...]:
    """What says which pictures a run was trained on, where that is not the same in all."""
    is_folded = any(value.isdigit() for value in level_of(table, FOLDS))
    return (REPLICATES,) if is_folded else ()


def versions(text: str) -> dict[str, str]:
    """The versions that a run logged as JSON; as one entry where they can't be understood."""
    try:
        found = json.loads(text)
    except json.JSONDecodeError:
        return {"versions": text}
    return {str(name): str(value) for name, value in found.items()}


def column(table: pd.DataFrame, name: str) -> "pd.Series[str]":
    """A column of the table; all missing where no run has it."""
    if name in table:
        return table[name]
    return pd.Series(np.nan, index=table.index, dtype=object)


def _one_each(
    table: pd.DataFrame, name: str, keys: Sequence[str], holds: str, breach: str
) -> Check:
    """That `name` has one value among the runs that are equal in all `keys`."""
    values = column(table, name)
    recorded = table[values.notna()]
    breaches = []
    levels = [level_of(recorded, key) for key in keys if f"params.{key}" in table]
    where = [", ".join(place) for place in zip(*levels, strict=True)] or [""] * len(recorded)
    parts = pd.DataFrame(
        {"where": where, "value": values[values.notna()], "name": recorded["name"]}
    )
    for place in dict.fromkeys(where):
        part = parts[parts["where"] == place] if place else parts
        counts = part["value"].value_counts()
        if len(counts) > 1:
            at = f" ({place})" if place else ""
            odd = part[part["value"] != counts.index[0]]
            listed = ", ".join(f"{str(value)[:12]}: {_runs(n)}" for value, n in counts.items())
            breaches.append(f"{breach}{at}: {listed}; the odd ones are {_names(odd['name'])}")
    return Check(holds, len(recorded), len(table), tuple(breaches))


def _breach(runs: pd.DataFrame, what: str) -> tuple[str, ...]:
    return (f"{what}: {_names(runs['name'])}",) if len(runs) else ()


def _names(names: Iterable[str], most: int = 5) -> str:
    listed = list(names)
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more


def _threads(number: str) -> str:
    return f", {number} thread{'' if number == '1' else 's'}"


def _runs(number: int) -> str:
    return f"{number:,} run{'' if number == 1 else 's'}"
