"""A study as tables, for a notebook or a program of one's own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from ablation.config import ReportConfig
from ablation.report.claims.results import gather
from ablation.report.evidence import archive
from ablation.report.evidence.source import VALIDATION, Evidence
from ablation.report.evidence.store import Stored
from ablation.report.pages import csv_files
from ablation.training.predictions import PREFIX


@dataclass(frozen=True)
class Study:
    """What is known of a study. Accuracies and differences are fractions, times are seconds.

    Attributes:
        name: of the study.
        runs: a row for each run that was planned or logged, as in runs.csv.
        cells: a row for each cell, ranked, with its interval, as in cells.csv.
        contrasts: a row for each claim with its interval, p-value and verdict, as in contrasts.csv;
            empty with one seed.
        predictions: a row for each validation picture of each finished run: `run_id`, `seed`, each
            factor, `picture`, `label`, `predicted`, and `p_CLASS` where probabilities were kept.
    """

    name: str
    runs: pd.DataFrame
    cells: pd.DataFrame
    contrasts: pd.DataFrame
    predictions: pd.DataFrame


def load(
    study: str | Path,
    *,
    uri: str | None = None,
    nuisance: Sequence[str] = (),
    baseline: Mapping[str, str] | None = None,
    difference: float = 0.01,
) -> Study:
    """Read a study and judge it as its report does.

    Args:
        study: its name, or the file of a report's evidence, whose name ends with .zip.
        uri: of the MLflow store; None takes MLFLOW_TRACKING_URI, else mlflow.db in this folder.
        nuisance: settings that are searched, not compared.
        baseline: factor → the level that the others are compared with.
        difference: smallest difference of interest, above 0 and below 1.

    Raises:
        ConfigError: there is no such study or file, or it lacks what was named.
    """
    is_file = str(study).endswith(".zip")
    evidence = archive.Archived(Path(study)) if is_file else _stored(str(study), uri)
    config = replace(
        ReportConfig(),
        nuisance=list(nuisance),
        baseline=dict(baseline or {}),
        difference=difference,
    )
    found = gather(evidence, config)
    runs = csv_files.runs_frame(found)
    factors = [*found.factors, *found.runs.searched]
    return Study(
        evidence.study,
        runs,
        csv_files.cells_frame(found),
        csv_files.contrasts_frame(found),
        _predictions(evidence, runs, factors),
    )


def _stored(study: str, uri: str | None) -> Evidence:
    from ablation.tracking.store import connect_existing, resolve_uri

    return Stored(connect_existing(resolve_uri(uri)), study)


def _predictions(evidence: Evidence, runs: pd.DataFrame, factors: Sequence[str]) -> pd.DataFrame:
    finished = runs[runs.status == "finished"].set_index("run_id")
    read = evidence.predictions(list(finished.index), VALIDATION, with_probabilities=True).read
    parts = []
    for run_id, said in read.items():
        part = pd.DataFrame(
            {"picture": said.pictures, "label": said.labels, "predicted": said.predicted}
        )
        for at, name in enumerate(["seed", *factors]):
            part.insert(at, name, [finished.at[run_id, name]] * len(part))
        part.insert(0, "run_id", run_id)
        if said.probabilities is not None:
            chances = zip(said.classes, said.probabilities.T, strict=True)
            part = part.assign(**{f"{PREFIX}{name}": values for name, values in chances})
        parts.append(part)
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
