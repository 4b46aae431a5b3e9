"""Commands that meet pictures and folders that are easily read wrongly."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

from tests.cases.__main__ import table
from tests.cases.folders import USUAL
from tests.cases.pictures import PICTURES, of_picture
from tests.conftest import ROOT, Said, command


def test_the_page_of_cases_says_what_becomes_of_them() -> None:
    assert (ROOT / "results" / "cases" / "README.md").read_text() == table()


#: Cases that one run reads together, whatever its settings: their means are those of black below.
SETTINGS = ["data.background=[0,0,0]", "data.value_range=[0,1]", "data.extra_formats=[.gif]"]
TOGETHER = [
    "grey16.png",
    "grey16.tiff",
    "colour16.png",
    "float01.tiff",
    "hidden.png",
    "grey_alpha.png",
    "kept.gif",
    "turned.png",
    "thin.png",
]


@dataclass
class Trained:
    """A run that was validated on cases."""

    said: Said
    folder: Path
    val: Path

    @property
    def uri(self) -> str:
        return f"sqlite:///{self.folder / 'mlflow.db'}"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """One class to validate on holds the cases, another pictures that are nothing special."""
    folder = tmp_path_factory.mktemp("cases")
    USUAL(folder / "pictures")
    val = folder / "pictures" / "val" / "ants"
    shutil.rmtree(val)
    val.mkdir()
    for case in reversed(PICTURES):
        if case.file in TOGETHER:
            case.write(val / case.file)
    (val / "phone.cr2").write_bytes(b"anything")
    said = command(
        "data=imagefolder",
        "data.root=pictures",
        "data.size=32",
        "transfer=scratch",
        "epochs=1",
        "batch_size=4",
        "study=cases",
        *SETTINGS,
        cwd=folder,
    )
    return Trained(said, folder, val)


def test_the_command_says_first_what_it_found(trained: Trained) -> None:
    assert trained.said.code == 0, trained.said.err
    assert trained.said.out.splitlines()[:4] == [
        "pictures: 4 pictures to train, 11 to validate, 2 classes",
        "ants: 2 train, 9 val; bees: 2 train, 2 val",
        "note: not read: 1 .cr2 (such as val/ants/phone.cr2)",
        "note: 3 pictures of val are copies of others in it "
        "(such as val/ants/grey16.png of val/ants/float01.tiff)",
    ]
    assert "note: 1 picture is of one colour (such as val/ants/thin.png)" in trained.said.out


def test_predictions_read_as_the_run_did(trained: Trained) -> None:
    client = MlflowClient(trained.uri)
    experiment = client.get_experiment_by_name("cases")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    artifacts = Path(run.info.artifact_uri.removeprefix("file://"))
    wanted = pd.read_csv(artifacts / "predictions.csv").set_index("picture")
    assert json.loads((artifacts / "classes.json").read_text()) == ["ants", "bees"]
    broken = trained.folder / "notes.png"
    broken.write_text("no picture")
    said = command(
        *("best", str(trained.val), str(broken), "--tracking-uri", trained.uri),
        cwd=trained.folder,
        module="ablation.predict",
    )
    assert said.code == 1
    assert said.err.strip() == f"error: {broken}: not a picture"
    lines = said.out.splitlines()
    assert lines[0].startswith(f"note: {trained.val}: not read: 1 .cr2 (such as phone.cr2)")
    assert any(line.startswith("note: 1 picture is of one colour") for line in lines)
    for name in TOGETHER:
        (line,) = [line for line in lines if f"{trained.val / name} " in line]
        _, _, label, probability, *_ = (cell.strip() for cell in line.split("│"))
        row = wanted.loc[f"val/ants/{name}"]
        assert label == row.predicted
        assert float(probability.rstrip("%")) == pytest.approx(100 * row.confidence, abs=0.06)


def test_the_command_refuses_what_it_cannot_know(tmp_path: Path) -> None:
    case = next(case for case in PICTURES if case.file == "float01.tiff")
    of_picture(case, tmp_path / "pictures")
    said = command("data=imagefolder", "data.root=pictures", cwd=tmp_path)
    assert said.code == 1
    assert "train/ants/float01.tiff: its values are floats" in said.err
    assert "data.value_range=[low,high], such as [0,1]" in said.err
    assert "Traceback" not in said.err
    assert not (tmp_path / "mlflow.db").exists()


MEMORY = """
import resource, sys
import numpy as np
from ablation.config import DataConfig
from ablation.figures import sheets
from ablation.pictures import data, resampling, views
from ablation.pictures.augment import Augmentation

config = DataConfig(
    source="folder", root=sys.argv[1], size=224, val_crop=0.875, interpolation="bicubic"
)
blank = np.zeros((300, 400, 3), np.uint8)
resampling.resize(blank, (256, 341), "bicubic")
sheets.sheet("", "", [("", [sheets.Tile(blank, (("a", "black"),))])])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
pictures = data.load(config)
for index in range(len(pictures.train)):
    views.training_view(pictures.train, index, 0, 1, config)
    views.validation_view(pictures.train, index, config)
resampling.padded(pictures.val)
sheets.training_sheet(pictures.train, pictures.classes)
usual = Augmentation({"_target_": None})
sheets.views_sheet(pictures.train, pictures.classes, 0, 2, config, usual)
probabilities = np.full((len(pictures.train), 2), 0.5, np.float32)
sheets.validation_sheet(pictures.train, pictures.classes, probabilities, config)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1000)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the unit of ru_maxrss is Linux's")
def test_pictures_of_any_shape_need_little_memory(tmp_path: Path) -> None:
    USUAL(tmp_path)
    for index, size in enumerate([(5000, 1), (1, 10_000), (60_000, 3), (2, 300_000)]):
        from PIL import Image

        pixels = np.random.default_rng(index).integers(0, 256, size, dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "train" / "ants" / f"thin{index}.png")
    said = subprocess.run(
        [sys.executable, "-c", MEMORY, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert float(said.stdout.split()[-1]) < 200
