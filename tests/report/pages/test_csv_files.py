"""The files for programs hold every run, cell and claim."""

from pathlib import Path

import pandas as pd

from ablation.report.pages import csv_files
from tests.report.made_up import Study
from tests.report.reading import ARMS, by_transfer, results_of


def test_the_files_hold_every_run_cell_and_claim(tmp_path: Path) -> None:
    made = Study(
        ARMS,
        by_transfer,
        seeds=(0, 1, 2),
        lost=lambda cell, seed: cell["reg"] == "l2" and seed == 2,
        failed=lambda cell, seed: (
            "ValueError: no" if cell["transfer"] == "full" and seed == 2 else ""
        ),
    )
    results = results_of(tmp_path / "store", made)
    csv_files.save(results, tmp_path)
    runs = pd.read_csv(tmp_path / "runs.csv")
    assert runs.status.value_counts().to_dict() == {"finished": 14, "missing": 3, "failed": 1}
    assert runs.error.dropna().tolist() == ["ValueError: no"]
    assert set(runs.transfer) == {"full", "frozen", "scratch"}
    cells = pd.read_csv(tmp_path / "cells.csv")
    assert len(cells) == 6
    assert (cells.low < cells.best_val_accuracy).all()
    assert (cells.best_val_accuracy < cells.high).all()
    claims = pd.read_csv(tmp_path / "contrasts.csv")
    assert claims.kind.value_counts().to_dict() == {"cells": 15, "effect": 3, "interaction": 2}
    assert claims.in_words.notna().all()
    assert claims.verdict.isin(["different", "same", "open"]).all()
    assert not (tmp_path / "pairs.csv").exists()
