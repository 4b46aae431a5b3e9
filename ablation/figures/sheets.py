"""Sheets of pictures: as they are stored, as the network sees them, as it classified them."""

import functools
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from ablation.config import DataConfig
from ablation.figures.canvas import SIDE, percent, thumbnail
from ablation.figures.style import BLACK, GREEN, GREY, ORANGE
from ablation.figures.tiles import COLUMNS, Tile, sheet
from ablation.pictures import views
from ablation.pictures.augment import Augmentation
from ablation.pictures.split import Split


def validation_sheet(
    split: Split,
    classes: Sequence[str],
    probabilities: npt.NDArray[np.float32],
    data: DataConfig,
    most: int = 5 * COLUMNS,
    small: Callable[[int], Image.Image] | None = None,
) -> Image.Image:
    """Validation views and what the network says of them, the most wrong first.

    Args:
        split: the validation pictures.
        classes: their names.
        probabilities: shape (n, n_classes).
        data: says how views are made.
        most: how many pictures are shown.
        small: gives the thumbnail of a picture, where it is kept, see `validation_thumbnail`.
    """
    of_true_class = probabilities[np.arange(len(split)), split.labels]
    predicted = probabilities.argmax(1)
    n_wrong = int((predicted != split.labels).sum())
    small = small or functools.partial(validation_thumbnail, split, data)
    shown = np.argsort(of_true_class, kind="stable")[:most]
    tiles = []
    for index in shown.tolist():
        label, said = split.labels[index], predicted[index]
        sign, colour = ("✓", GREEN) if label == said else ("✗", ORANGE)
        verdict = f"{sign} {classes[said]} {percent(probabilities[index, said])}"
        tiles.append(Tile(small(index), ((classes[label], BLACK), (verdict, colour)), colour))
    title = f"Validation pictures, the most wrong first ({n_wrong} of {len(split)} wrong)"
    note = "below each: its class, and the predicted one (✓ right, ✗ wrong) with its probability"
    return sheet(title, note, [("", tiles)])


def validation_thumbnail(split: Split, data: DataConfig, index: int) -> Image.Image:
    """The thumbnail of a validation view.

    Args:
        split: the validation pictures.
        data: says how views are made.
        index: of the picture.
    """
    return thumbnail(views.validation_view(split, index, data).permute(1, 2, 0).numpy(), SIDE)


def training_sheet(split: Split, classes: Sequence[str], most_classes: int = 12) -> Image.Image:
    """Some training pictures of each class, as they are stored.

    Args:
        split: the training pictures.
        classes: their names.
        most_classes: how many classes are shown.
    """
    shown = _spread(range(len(classes)), most_classes)
    n_rows = {1: 3, 2: 3, 3: 2, 4: 2}.get(len(shown), 1)
    groups = []
    for label in shown:
        members = np.flatnonzero(split.labels == label).tolist()
        few = _spread(members, n_rows * COLUMNS)
        heading = f"{classes[label]}: {len(members)} pictures"
        groups.append((heading, [Tile(split.pixels(index)) for index in few]))
    of = f"{len(shown)} of {len(classes)}" if len(shown) < len(classes) else str(len(classes))
    return sheet(f"Training pictures of {of} classes", f"{len(split)} in all", groups)


def views_sheet(
    split: Split,
    classes: Sequence[str],
    seed: int,
    epochs: int,
    data: DataConfig,
    augment: Augmentation,
) -> Image.Image:
    """Some training pictures and their views, epoch by epoch.

    Args:
        split: the training pictures.
        classes: their names.
        seed: of the run.
        epochs: of the run; only the first are shown.
        data: says how views are cut.
        augment: makes them.
    """
    by_class = np.argsort(split.labels, kind="stable").tolist()
    n_epochs = min(epochs, COLUMNS - 1)
    groups = []
    for index in _spread(by_class, 6):
        tiles = [Tile(split.pixels(index), (("picture", BLACK),))]
        for epoch in range(1, n_epochs + 1):
            view = augment.views(split, [index], seed, epoch, data)[0].byte()
            tiles.append(Tile(view.permute(1, 2, 0).numpy(), ((f"epoch {epoch}", GREY),)))
        groups.append((f"{classes[split.labels[index]]}: {split.names[index]}", tiles))
    title = f"What the network sees: {data.size} × {data.size} pixels, new in each epoch"
    return sheet(title, f"seed {seed}; left, the pictures as they are stored", groups)


def _spread(items: Iterable[int], most: int) -> list[int]:
    """At most so many of the items, evenly spread over them."""
    whole = list(items)
    if len(whole) <= most:
        return whole
    return [whole[i] for i in np.linspace(0, len(whole) - 1, most).round().astype(int)]
