"""What is to be seen of a run: its sheets show the right pictures, in the right order, cheaply."""

import functools
import io
import json
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from PIL import Image

from ablation.config import Config, DataConfig
from ablation.figures import plots, sheets, style
from ablation.pictures import data, views
from ablation.pictures.data import Picture, Split
from ablation.training import fit, run
from ablation.training.artifacts import _write_artifacts
from tests.conftest import Study

SETTINGS = DataConfig(
    source="folder", size=48, val_crop=1.0, crop_min=0.3, interpolation="bilinear"
)


def split(labels: Sequence[int], size: tuple[int, int] = (60, 40)) -> Split:
    """Pictures of one colour each, told apart by its red: 10, 20, 30 …"""

    def read(index: int) -> bytes:
        content = io.BytesIO()
        Image.new("RGB", size, (10 * (index + 1), 0, 60)).save(content, "PNG")
        return content.getvalue()

    pictures = [
        Picture(f"val/{index:03}.png", label, functools.partial(read, index))
        for index, label in enumerate(labels)
    ]
    return Split(pictures, 1e9)


def tile(sheet: Image.Image, row: int, column: int, pitch: int, top: int) -> Image.Image:
    """One square of a sheet whose rows are `pitch` pixels apart and start at `top`."""
    left = style.GAP + column * (style.SIDE + style.GAP)
    start = top + row * pitch
    return sheet.crop((left, start, left + style.SIDE, start + style.SIDE))


def reds(sheet: Image.Image, n: int) -> list[int]:
    """The red of the first row's pictures."""
    centre = style.SIDE // 2
    tiles = [tile(sheet, 0, column, 0, sheets.HEAD) for column in range(n)]
    return [one.getpixel((centre, centre))[0] for one in tiles]  # type: ignore[index]


def test_the_most_wrong_picture_comes_first() -> None:
    pictures = split([0, 1, 0, 1])
    # Of the true class: 0.9, 0.2, 0.4, 0.05.
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.95, 0.05]], np.float32)
    sheet = sheets.validation_sheet(pictures, ["ant", "bee"], probabilities, SETTINGS)
    assert reds(sheet, 4) == [40, 20, 30, 10]
    frames = [tile(sheet, 0, k, 0, sheets.HEAD).getpixel((1, 1)) for k in range(4)]
    assert frames[0] == frames[1] == frames[2] != frames[3]


def test_a_sheet_is_of_a_size_that_does_not_grow_with_the_pictures() -> None:
    pictures = split([index % 20 for index in range(400)], size=(1, 30))
    classes = [f"a class with a long name, number {index}" for index in range(20)]
    probabilities = np.full((400, 20), 0.05, np.float32)
    for sheet in (
        sheets.validation_sheet(pictures, classes, probabilities, SETTINGS),
        sheets.training_sheet(pictures, classes),
        sheets.views_sheet(pictures, classes, 0, 500, SETTINGS),
    ):
        assert sheet.width < 1000
        assert sheet.height < 2000


def test_the_sheet_of_views_shows_what_the_network_is_given() -> None:
    pictures = split([0, 1], size=(80, 60))
    sheet = sheets.views_sheet(pictures, ["ant", "bee"], seed=3, epochs=2, data=SETTINGS)
    top = sheets.HEAD + style.LINE + 4
    for epoch in (1, 2):
        view = views.training_view(pictures, 0, 3, epoch, SETTINGS).permute(1, 2, 0).numpy()
        shown = tile(sheet, 0, epoch, 0, top)
        assert shown.tobytes() == sheets.thumbnail(view, style.SIDE).tobytes()
    # No epoch is shown that there was not.
    assert sheet.width < style.GAP + 4 * (style.SIDE + style.GAP) + 100
    assert tile(sheet, 0, 3, 0, top).getextrema() == ((255, 255),) * 3


def test_filters_that_did_not_change_are_shown_without_a_difference() -> None:
    weights = np.random.default_rng(0).normal(0, 0.1, (32, 3, 3, 3)).astype(np.float32)
    same = sheets.filters(weights, weights.copy())
    changed = sheets.filters(weights, weights + np.float32(0.01))
    assert changed.width == pytest.approx(1.5 * same.width)


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (7, 1, 5, 5), (96, 3, 7, 7), (768, 3, 16, 16)])
def test_filters_of_any_shape_are_drawn(shape: tuple[int, ...]) -> None:
    weights = np.zeros(shape, np.float32)
    assert sheets.filters(weights, weights).height < 700
    assert sheets.filters(weights, weights + 1).width < 2000


@pytest.mark.parametrize("n", [2, 3, 31, 120])
def test_a_confusion_matrix_is_drawn_whatever_the_classes_are_called(n: int) -> None:
    classes = [f"${index}_^ is no formula, and {'long ' * 9}" for index in range(n)]
    predictions = pd.DataFrame({"label": classes, "predicted": [classes[0]] * n})
    drawn = io.BytesIO()
    plots.confusion(predictions, classes).savefig(drawn)
    width, height = Image.open(drawn).size
    assert max(width, height) < 1200


def artifacts(study: Study, name: str) -> dict[str, Path]:
    """Folders of the artifacts of a study's runs, by the runs' names."""
    client = MlflowClient(study.uri)
    experiment = client.get_experiment_by_name(name)
    assert experiment is not None
    return {
        found.info.run_name: Path(found.info.artifact_uri.removeprefix("file://"))
        for found in client.search_runs([experiment.experiment_id])
    }


def test_each_run_has_its_pictures_small_and_whole(main_study: Study) -> None:
    found = artifacts(main_study, "digits-transfer-reg")
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
    for name, folder in artifacts(main_study, "digits-transfer-reg").items():
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
    result = fit.Fit(
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
    trained = run.Trained(result, None, None, {}, (weights, weights + 1))
    taken = []

    def write(folder: Path) -> None:
        folder.mkdir()
        start = time.thread_time()
        _write_artifacts(config, pictures, trained, folder)
        taken.append(time.thread_time() - start)

    # In a thread beside the training, as in a run; the first draws with cold caches.
    for name in ("first", "second"):
        thread = threading.Thread(target=write, args=(tmp_path / name,))
        thread.start()
        thread.join()
    assert len(taken) == 2
    assert min(taken) < 1
