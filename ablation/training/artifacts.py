"""The artifacts that a finished run leaves in the store."""

import csv
import functools
import hashlib
import io
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from ablation.config import Config, as_yaml
from ablation.figures import canvas, filters, plots, sheets
from ablation.pictures.augment import Augmentation
from ablation.pictures.data import Pictures
from ablation.pictures.split import Split
from ablation.training import novelty, predictions
from ablation.training.cache import Cache
from ablation.training.fit import Fit
from ablation.training.learn import Filters, Trained
from ablation.training.predictions import Predictions


def write(config: Config, pictures: Pictures, trained: Trained, cache: Cache, folder: Path) -> None:
    """Write all artifacts of a run.

    Args:
        config: of the run.
        pictures: of all splits.
        trained: the finished training.
        cache: where sheets that runs share are kept.
        folder: an existing, empty one.
    """
    (folder / "config.yaml").write_text(as_yaml(config))
    (folder / "classes.json").write_text(json.dumps(pictures.classes))
    _write_history(trained.fit, folder)
    _write_predictions(pictures, trained, folder)
    _write_sheets(config, pictures, trained, cache, folder / "pictures")
    if config.save_weights:
        from safetensors.torch import save_file

        weights = {name: value.cpu().contiguous() for name, value in trained.fit.state.items()}
        save_file(weights, folder / "weights.safetensors")
    if trained.known:
        trained.known.save(folder / novelty.FILE)


def _write_history(result: Fit, folder: Path) -> None:
    rows = [{**row, "epoch": int(row["epoch"])} for row in result.history]
    with (folder / "history.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    history = {name: [row[name] for row in rows] for name in rows[0]}
    canvas.save(plots.curves(history, result.best_epoch), folder / "curves.png")


def _write_predictions(pictures: Pictures, trained: Trained, folder: Path) -> None:
    val = _predicted(pictures.val, pictures.classes, trained.fit.probabilities)
    table = predictions.save(val, folder)
    canvas.save(plots.confusion(table, val.classes), folder / "confusion.png")
    if pictures.test and trained.test is not None:
        test = _predicted(pictures.test, pictures.classes, trained.test)
        predictions.save(test, folder, "test_")


def _write_sheets(
    config: Config, pictures: Pictures, trained: Trained, cache: Cache, folder: Path
) -> None:
    """The sheets of pictures, for MLflow's UI.

    The sheets of training pictures and views are the same in all runs of a seed. Each run has them
    nevertheless: MLflow shows pictures only as a run's artifacts.
    """
    folder.mkdir()
    probabilities = trained.fit.probabilities
    val, data = pictures.val, config.data

    def small(index: int) -> Image.Image:
        # Many runs are wrong on the same pictures.
        key = ("thumbnail", val.digest, index, repr(data))
        make = functools.partial(sheets.validation_thumbnail, val, data, index)
        return cache.get(key, make, lambda made: 3 * made.width * made.height)

    sheet = sheets.validation_sheet(val, pictures.classes, probabilities, data, small=small)
    canvas.save(sheet, folder / "validation.jpg")
    if trained.filters:
        (folder / "filters.png").write_bytes(_filter_sheet(*trained.filters, cache))
    # The encoded files are kept, not the pictures: they are small.
    for name, content in shared_sheets(config, pictures, cache).items():
        (folder / name).write_bytes(content)


def _filter_sheet(before: Filters, after: Filters, cache: Cache) -> bytes:
    """The file of the sheet of filters; runs that leave them as they are have the same."""
    key = hashlib.sha256(before.tobytes() + after.tobytes()).digest()

    def draw() -> bytes:
        with io.BytesIO() as file:
            filters.filter_sheet(before, after).save(file, "PNG")
            return file.getvalue()

    return cache.get(("filters", before.shape, key), draw, len)


def shared_sheets(config: Config, pictures: Pictures, cache: Cache) -> dict[str, bytes]:
    """The files of the sheets that are the same in all runs of a seed, by their names.

    They are drawn once. Where views are made by code that draws random numbers of its own, that
    must not happen beside a training.
    """
    settings = (config.seed, config.epochs, repr(config.data), repr(config.augment))
    draw = functools.partial(_draw_shared_sheets, config, pictures)
    return cache.get(("sheets", pictures.digest, *settings), draw, _n_bytes)


def _n_bytes(files: dict[str, bytes]) -> int:
    return sum(map(len, files.values()))


def _draw_shared_sheets(config: Config, pictures: Pictures) -> dict[str, bytes]:
    train, classes, augment = pictures.train, pictures.classes, Augmentation(config.augment)
    views = sheets.views_sheet(train, classes, config.seed, config.epochs, config.data, augment)
    return {
        "training.jpg": _encoded(sheets.training_sheet(train, classes)),
        "views.jpg": _encoded(views),
    }


def _encoded(sheet: Image.Image) -> bytes:
    with io.BytesIO() as file:
        canvas.save(sheet, file)
        return file.getvalue()


def prediction_table(
    split: Split, classes: tuple[str, ...], probabilities: npt.NDArray[np.float32]
) -> pd.DataFrame:
    """A table for people: one row for each picture with its class and what was predicted.

    Args:
        split: n pictures.
        classes: their names.
        probabilities: shape (n, n_classes).
    """
    return predictions.as_table(_predicted(split, classes, probabilities))


def _predicted(
    split: Split, classes: tuple[str, ...], probabilities: npt.NDArray[np.float32]
) -> Predictions:
    return predictions.of(split.names, split.labels, classes, probabilities)
