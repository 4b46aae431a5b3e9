"""The artifacts that a finished run leaves."""

import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from ablation import config as schema
from ablation.config import Config
from ablation.figures import plots as figures
from ablation.figures import sheets
from ablation.pictures.data import Pictures, Split
from ablation.training import novelty, predictions
from ablation.training.fit import Fit
from ablation.training.predictions import Predictions


@dataclass(frozen=True)
class Trained:
    """A finished training with what its report needs to know.

    Attributes:
        fit: the training.
        test: shape (n_test, n_classes), probabilities of the pictures that were held back, looked
            at once with the best epoch's weights; None where there are none.
        known: by what a picture is told that is far from these; None without weights to keep.
        checks: tags that show the integrity of the run.
        filters: the first convolution's before training and at the best epoch, each of shape
            (n_filters, n_channels, height, width); None for a network without convolutions.
    """

    fit: Fit
    test: npt.NDArray[np.float32] | None
    known: novelty.Known | None
    checks: dict[str, str]
    filters: tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]] | None


def write(config: Config, pictures: Pictures, trained: Trained, folder: Path) -> None:
    result = trained.fit
    (folder / "config.yaml").write_text(schema.as_yaml(config))
    history = pd.DataFrame(result.history).astype({"epoch": int})
    history.to_csv(folder / "history.csv", index=False)
    said = _said(pictures.val, pictures.classes, result.probabilities)
    predictions.save(said, folder)
    if pictures.test and trained.test is not None:
        held_back = _said(pictures.test, pictures.classes, trained.test)
        predictions.save(held_back, folder, "test_")
    (folder / "classes.json").write_text(json.dumps(pictures.classes))
    figures.curves(history, result.best_epoch).savefig(folder / "curves.png")
    table = predictions.as_table(said)
    figures.confusion(table, said.classes).savefig(folder / "confusion.png")
    _write_pictures(config, pictures, trained, folder / "pictures")
    if config.save_weights:
        from safetensors.torch import save_file

        whole = {name: value.cpu().contiguous() for name, value in result.state.items()}
        save_file(whole, folder / "weights.safetensors")
    if trained.known:
        trained.known.save(folder / novelty.FILE)


def _write_pictures(config: Config, pictures: Pictures, trained: Trained, folder: Path) -> None:
    """The sheets of pictures that are looked at in MLflow's UI.

    Those of the training pictures and of their views belong to the study as much as to the run.
    They are with each run because MLflow shows pictures nowhere else, whichever run one opens,
    and because the views are those of this run's seed; runs of one seed share them.
    """
    folder.mkdir()
    probabilities = trained.fit.probabilities
    sheet = sheets.validation_sheet(pictures.val, pictures.classes, probabilities, config.data)
    sheets.save_sheet(sheet, folder / "validation.jpg")
    if trained.filters:
        sheets.save_sheet(sheets.filters(*trained.filters), folder / "filters.png")
    for name, content in _shared_sheets(config, pictures).items():
        (folder / name).write_bytes(content)


#: By what they show: the files alone, so that no pictures are held in memory for them.
_SHEETS: dict[tuple[object, ...], dict[str, bytes]] = {}


def _shared_sheets(config: Config, pictures: Pictures) -> dict[str, bytes]:
    """The files of the sheets that are the same in all runs of a seed, by their names."""
    key = (pictures.digest, config.seed, config.epochs, repr(config.data))
    if key in _SHEETS:
        return _SHEETS[key]
    train, classes = pictures.train, pictures.classes
    drawn = {
        "training.jpg": sheets.training_sheet(train, classes),
        "views.jpg": sheets.views_sheet(train, classes, config.seed, config.epochs, config.data),
    }
    files = {}
    for name, sheet in drawn.items():
        with io.BytesIO() as file:
            sheets.save_sheet(sheet, file)
            files[name] = file.getvalue()
    if len(_SHEETS) == 64:
        del _SHEETS[next(iter(_SHEETS))]
    _SHEETS[key] = files
    return files


def prediction_table(
    split: Split, classes: tuple[str, ...], probabilities: npt.NDArray[np.float32]
) -> pd.DataFrame:
    """One row a picture: its true and predicted class and the probabilities, for people."""
    return predictions.as_table(_said(split, classes, probabilities))


def _said(
    split: Split, classes: tuple[str, ...], probabilities: npt.NDArray[np.float32]
) -> Predictions:
    return predictions.of(split.names, split.labels, classes, probabilities)
