"""What is compared, and what can't be read."""

from pathlib import Path

import pytest
from rich.console import Console

from ablation import report
from ablation.config import ReportConfig
from ablation.report.evidence.store import Stored
from ablation.tracking.store import connect
from tests.report.made_up import Study, store


@pytest.mark.parametrize(
    ("lost", "words"),
    [
        (
            "predictions.*",
            "The predictions of 1 run can't be read, so their cells have no interval",
        ),
        ("test_predictions.*", "Predictions of pictures held back or the history of 1 run can't"),
        ("history.csv", "Predictions of pictures held back or the history of 1 run can't be read"),
    ],
)
def test_what_can_not_be_read_is_told_with_its_place_and_makes_the_exit_code_2(
    tmp_path: Path, lost: str, words: str
) -> None:
    made = Study({"reg": ["l1", "l2"]}, lambda _: 0.9, n_test=40)
    uri = store(tmp_path / "store", made)
    evidence = Stored(connect(uri), made.name)
    (run,) = [run for run in evidence.runs if run.name == "l2-s0"]
    folder = tmp_path / "store" / "artifacts" / run.id / "artifacts"
    for path in folder.glob(lost):
        path.unlink()
    written = report.write(evidence, tmp_path / "results", ReportConfig())
    assert (written.exit_code, written.is_complete, written.breaches) == (2, True, ())
    text = written.path.read_text().replace("\\", "")
    assert f"⚠️ {words}" in text
    assert f"l2-s0 (there is no {lost.replace('*', 'parquet')}" in text
    assert str(folder) in text
    shown = Console(record=True, width=10_000)
    shown.print(written.main_table)
    assert f"MISSING: {words[0].lower()}{words[1:]}" in shown.export_text()
