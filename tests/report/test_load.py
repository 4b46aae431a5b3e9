"""`ablation.load`: a study as tables, from its store and from its evidence alike."""

from pathlib import Path

import pandas as pd
import pytest

import ablation
from ablation.errors import ConfigError
from tests.conftest import Study


def test_a_study_is_read_as_its_report_has_it(main_study: Study) -> None:
    study = ablation.load("digits-transfer-reg", uri=main_study.uri)
    folder = main_study.folder / "results" / "digits-transfer-reg"
    written = pd.read_csv(folder / "cells.csv")
    assert list(study.cells.transfer) == list(written.transfer)
    pd.testing.assert_series_equal(study.cells.score, written.score)
    assert list(study.runs.status) == ["finished"] * 6
    assert study.contrasts.empty, "one seed says nothing about levels"


def test_predictions_give_the_accuracies(main_study: Study) -> None:
    study = ablation.load("digits-transfer-reg", uri=main_study.uri)
    said = study.predictions
    assert len(said) == 6 * 300
    right = said.assign(right=said.label == said.predicted).groupby("run_id").right.mean()
    runs = study.runs.set_index("run_id").best_val_accuracy
    pd.testing.assert_series_equal(right.sort_index(), runs.sort_index(), check_names=False)
    chances = said.filter(like="p_")
    assert chances.shape[1] == 10
    assert (chances.sum(axis=1) - 1).abs().max() < 1e-4
    assert set(said.transfer) == {"full", "frozen", "scratch"}


def test_the_evidence_of_a_report_will_do(main_study: Study) -> None:
    file = main_study.folder / "results" / "digits-transfer-reg" / "evidence.zip"
    study = ablation.load(file, baseline={"transfer": "scratch"})
    from_store = ablation.load("digits-transfer-reg", uri=main_study.uri)
    pd.testing.assert_frame_equal(study.cells, from_store.cells)
    assert study.name == "digits-transfer-reg"


def test_what_is_not_there_is_told(main_study: Study, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nothing"):
        ablation.load("nothing", uri=main_study.uri)
    with pytest.raises(ConfigError, match=r"lost\.zip"):
        ablation.load(tmp_path / "lost.zip")
