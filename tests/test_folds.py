"""A cross-validated study from the command to its report."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import ablation
from tests.conftest import Study, command

FOLDED = [
    "-m", "data=imagefolder", "data.root=pictures", "data.folds=3", "data.size=32",
    "transfer=frozen,scratch", "epochs=1", "study=folded",
]  # fmt: skip


@pytest.fixture(scope="module")
def folded(tmp_path_factory: pytest.TempPathFactory) -> Study:
    from tests.conftest import paint

    folder = tmp_path_factory.mktemp("folded")
    for name, colour in (("blue", (40, 40, 200)), ("red", (200, 40, 40))):
        for index in range(10):
            seed = 2 * index + (name == "red")
            paint(folder / "pictures" / name / f"{index}.png", colour, seed, (50 + index, 40))
    return Study(folder, command(*FOLDED, cwd=folder))


def test_every_picture_is_judged_once_in_each_cell(folded: Study) -> None:
    assert folded.said.code == 0, folded.said.err
    assert "pictures: 20 pictures in 3 folds, 2 classes" in folded.said.out
    assert "run 6 of 6" in folded.said.out
    judged = ablation.load("folded", uri=folded.uri).predictions
    for _, cell in judged.groupby("transfer"):
        assert sorted(cell.groupby("seed").size()) == [6, 7, 7]
        assert cell.picture.nunique() == len(cell) == 20


def test_the_report_compares_whole_divisions(folded: Study) -> None:
    folder = folded.folder / "results" / "folded"
    cells = pd.read_csv(folder / "cells.csv")
    judged = ablation.load("folded", uri=folded.uri).predictions
    for cell in cells.itertuples():
        own = judged[judged.transfer == cell.transfer]
        assert cell.score == pytest.approx((own.label == own.predicted).mean())
        assert (cell.n_seeds, cell.n_pictures) == (3, 20)
        assert cell.low < cell.score <= cell.high
    contrasts = pd.read_csv(folder / "contrasts.csv")
    assert set(contrasts.n_seeds) == {3}
    assert set(contrasts.n_pictures) == {20}
    text = (folder / "report.md").read_text()
    assert "3 folds, by which each picture is judged once; 20 validation pictures" in text
    assert "new training pictures, new seeds and new pictures alike" in text
    assert "Nadeau & Bengio" in text
    assert "3 seeds" not in text
    assert "BREACH" not in folded.said.out


def test_the_same_command_again_trains_nothing(folded: Study) -> None:
    again = command(*FOLDED, cwd=folded.folder)
    assert again.code == 0
    assert again.out.count("had finished before") == 6


def test_a_fold_that_is_missing_takes_its_cell_out_of_the_comparison(
    make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    from mlflow import MlflowClient

    make_folder({"": 6})
    said = command(*FOLDED, cwd=tmp_path)
    assert said.code == 0, said.err
    client = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("folded")
    (lost,) = client.search_runs([experiment.experiment_id], "tags.mlflow.runName = 'scratch-s1'")
    client.delete_run(lost.info.run_id)
    again = command("study=folded", cwd=tmp_path, module="ablation.report")
    assert again.code == 2
    text = (tmp_path / "results" / "folded" / "report.md").read_text()
    assert "folds are missing" in text
    assert not (tmp_path / "results" / "folded" / "contrasts.csv").read_text().count("scratch")
