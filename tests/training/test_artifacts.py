"""What is to be seen of a run: all of it is there, small, and written beside the training."""

import json
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient
from PIL import Image

from ablation.config import Config, DataConfig
from ablation.pictures import data
from ablation.training import artifacts
from ablation.training.cache import Cache
from ablation.training.fit import Fit
from ablation.training.learn import Trained
from tests.conftest import Study


def folders(study: Study, name: str) -> dict[str, Path]:
    """Folders of the artifacts of a study's runs, by the runs' names."""
    client = MlflowClient(study.uri)
    experiment = client.get_experiment_by_name(name)
    assert experiment is not None
    return {
        found.info.run_name: Path(found.info.artifact_uri.removeprefix("file://"))
        for found in client.search_runs([experiment.experiment_id])
    }


def test_each_run_has_its_pictures_small_and_whole(main_study: Study) -> None:
    found = folders(main_study, "digits-transfer-reg")
    assert len(found) == 6
    for folder in found.values():
        assert json.loads((folder / "classes.json").read_text()) == list("0123456789")
        shown = [folder / "curves.png", folder / "confusion.png"]
        shown += [
            folder / "pictures" / name
            for name in ("validation.jpg", "training.jpg", "views.jpg", "filters.png")
        ]
        for path in shown:
            assert path.stat().st_size < 300_000
            with Image.open(path) as picture:
                assert picture.convert("L").getextrema() != (255, 255)


def test_only_a_frozen_first_layer_is_shown_as_unchanged(main_study: Study) -> None:
    widths = {}
    for name, folder in folders(main_study, "digits-transfer-reg").items():
        with Image.open(folder / "pictures" / "filters.png") as picture:
            widths[name] = picture.width
    assert widths["frozen-l1-s0"] == widths["frozen-l2-s0"]
    for name in ("full-l1-s0", "full-l2-s0", "scratch-l1-s0", "scratch-l2-s0"):
        assert widths[name] == pytest.approx(1.5 * widths["frozen-l1-s0"])


def test_all_that_is_written_of_a_run_takes_less_than_a_second(tmp_path: Path) -> None:
    views = {"size": 224, "val_crop": 1.0, "interpolation": "bicubic"}
    settings = DataConfig(source="digits", train_pictures=240, val_pictures=300, **views)
    pictures = data.load(settings)
    config = Config(data=settings, save_weights=False, epochs=20)
    rng = np.random.default_rng(0)
    row = {"train/loss": 1.0, "val/loss": 1.0, "train/accuracy": 0.5, "val/accuracy": 0.5}
    result = Fit(
        history=[{"epoch": epoch, "lr": 1e-3, **row} for epoch in range(1, 21)],
        best_epoch=3,
        best_val_accuracy=0.5,
        last_val_accuracy=0.5,
        probabilities=rng.dirichlet(np.ones(10), 300).astype(np.float32),
        features=np.zeros((300, 1280), dtype=np.float32),
        state={},
        n_steps=1,
        applied={},
    )
    weights = rng.normal(0, 1, (64, 3, 7, 7)).astype(np.float32)
    trained = Trained(result, None, None, {}, {}, (weights, weights + 1))
    cache, taken = Cache(1e9), []

    def write(folder: Path) -> None:
        folder.mkdir()
        start = time.thread_time()
        artifacts.write(config, pictures, trained, cache, folder)
        taken.append(time.thread_time() - start)

    # In a thread beside the training, as in a run; the first draws with cold caches.
    for name in ("first", "second"):
        thread = threading.Thread(target=write, args=(tmp_path / name,))
        thread.start()
        thread.join()
    assert len(taken) == 2
    assert min(taken) < 1
