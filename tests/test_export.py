"""A run's network for other programs gives what the run's network gives."""

import itertools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ablation.pictures import decode
from tests.conftest import command, paint

RUN = [
    *("transfer=full", "epochs=1", "batch_size=24", "study=s"),
    *("data.train_pictures=48", "data.val_pictures=40", "data.size=32"),
]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run, and what was exported of it in `out`."""
    folder = tmp_path_factory.mktemp("exported")
    trained = command(*RUN, cwd=folder)
    assert trained.code == 0, trained.err
    said = command("best", "--out", "out", cwd=folder, module="ablation.export")
    assert said.code == 0, said.err
    assert "On 40 validation pictures the probabilities of network.onnx" in said.out
    return folder


def test_onnx_gives_the_probabilities_that_the_run_logged(exported: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    (logged,) = (exported / "mlruns").rglob("predictions.parquet")
    wanted = pd.read_parquet(logged)
    from ablation.network import preprocessing
    from ablation.pictures import data, views
    from ablation.study import grid

    config = preprocessing.filled(grid.expand(RUN, multirun=False).runs[0].config)
    val = data.load(config.data).val
    batch = views.validation_views(val, range(len(val)), config.data).float().contiguous().numpy()
    session = onnxruntime.InferenceSession(exported / "out" / "network.onnx")
    (found,) = session.run(None, {"views": batch})
    classes = json.loads((exported / "out" / "preprocessing.json").read_text())["classes"]
    there = wanted[[column for column in wanted if str(wanted[column].dtype).startswith("float")]]
    assert len(classes) == there.shape[1] == found.shape[1]
    assert np.abs(found - there.to_numpy()).max() < 1e-4


def test_the_cards_own_example_classifies_a_picture(exported: Path) -> None:
    pytest.importorskip("onnxruntime")
    card = (exported / "out" / "README.md").read_text()
    assert "Right on" in card
    assert "onnxruntime" in card
    code = card.partition("```python\n")[2].partition("```")[0]
    pixels = np.random.default_rng(0).integers(0, 255, (50, 80, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(exported / "out" / "picture.jpg")
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=exported / "out",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(":") == 10


def test_a_run_that_is_not_there_is_told_in_one_sentence(exported: Path) -> None:
    said = command("best", "--study", "nothing", cwd=exported, module="ablation.export")
    assert said.code == 1
    assert "study=nothing: the store has no such study; it has s" in said.err


def test_a_study_beside_a_runs_id_is_refused(exported: Path) -> None:
    said = command("abc", "--study", "s", cwd=exported, module="ablation.export")
    assert said.code == 1
    assert "--study goes with best" in said.err


def test_pictures_that_were_changed_since_are_not_taken_for_the_runs(tmp_path: Path) -> None:
    for split, of, number in itertools.product(("train", "val"), ("a", "b"), range(4)):
        path = tmp_path / "p" / split / of / f"{number}.png"
        colour = (200, 90, 90) if of == "a" else (90, 90, 200)
        paint(path, colour, 10 * number + len(split), (40, 40))
    words = ["transfer=full", "epochs=1", "data=imagefolder", "data.root=p", "data.size=32"]
    assert command(*words, cwd=tmp_path).code == 0
    paint(tmp_path / "p/val/a/0.png", (200, 90, 90), 99, (40, 40))
    said = command("best", "--out", "out", cwd=tmp_path, module="ablation.export")
    assert said.code == 0, said.err
    assert "they are not those of the run any more" in said.out
    assert "validation pictures the probabilities" not in said.out


def test_pictures_of_telephones_are_read(tmp_path: Path) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    colour = (200, 60, 30)
    Image.new("RGB", (64, 48), colour).save(tmp_path / "a.heic", quality=95)
    pixels, _ = decode.decode((tmp_path / "a.heic").read_bytes(), decode.Reading())
    assert pixels.shape == (48, 64, 3)
    assert np.abs(pixels.reshape(-1, 3).mean(0) - colour).max() < 4
