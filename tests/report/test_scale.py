"""Large studies: no run is lost, and the report comes soon enough."""

import time
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pytest

from ablation import report
from ablation.config import ReportConfig
from ablation.report.evidence.store import Stored
from ablation.tracking import store as tracking
from tests.report.made_up import Study, store

pytestmark = pytest.mark.slow

AXES = {
    "transfer": ["full", "frozen", "scratch", "partial"],
    "reg": ["none", "l1", "l2", "elastic"],
    "optimizer": ["adam", "sgd", "adamw"],
}
MORE = {
    "scheduler": ["constant", "cosine", "step"],
    "batch_size": ["8", "16", "32"],
    "optimizer.lr": ["1e-4", "1e-3", "1e-2"],
}
REACHED = {"full": 0.9, "frozen": 0.85, "scratch": 0.6, "partial": 0.88}


def reached(cell: Mapping[str, str]) -> float:
    return REACHED[cell["transfer"]]


@pytest.mark.parametrize(
    ("made", "n_runs", "seconds"),
    [
        (Study(AXES, reached, seeds=range(21), n_pictures=300), 1_008, 20),
        (Study({**AXES, **MORE}, reached, seeds=range(8), n_pictures=300), 10_368, 180),
    ],
    ids=["1,000 runs within 20 s", "10,000 runs within 3 minutes"],
)
def test_a_large_study_is_reported_in_time_with_no_run_lost(
    tmp_path: Path, made: Study, n_runs: int, seconds: float
) -> None:
    uri = store(tmp_path, made)
    start = time.perf_counter()
    evidence = Stored(tracking.connect(uri), made.name)
    written = report.write(evidence, tmp_path / "results", ReportConfig())
    took = time.perf_counter() - start
    runs = pd.read_csv(written.path.parent / "runs.csv")
    assert len(runs) == runs.run_id.nunique() == n_runs
    assert (runs.status == "finished").all()
    assert f"{n_runs:,} | {n_runs:,} | 0 | 0 | 0 | 0 |" in written.path.read_text()
    assert took < seconds
