"""Where pictures come from: scikit-learn's digits, a folder, a table, or an archive.

Imports no torch, so that a wrong folder is answered at once.
"""

import functools
import io
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from ablation.config import DataConfig, chosen
from ablation.pictures import folders, table
from ablation.pictures.describe import Picture
from ablation.pictures.divide import divide, hold_out

#: Side in pixels to which a digit of 8 × 8 is enlarged where the config does not say a size.
DIGITS_SIZE = 64


@dataclass
class Source:
    """The pictures of a source, divided and not yet decoded.

    Attributes:
        classes: the names of the classes.
        splits: the pictures to train and val, and to test where some are held back.
        notes: what of the source is not used.
    """

    classes: list[str]
    splits: dict[str, list[Picture]]
    notes: list[str] = field(default_factory=list)


def find(config: DataConfig) -> Source:
    """Find the pictures of `config.source`, and divide them where the source does not.

    Raises:
        DataError: the folder can't be used as it is.
        DownloadError: the archive can't be had.
    """
    found: Callable[[DataConfig], Source]
    found = {"digits": _digits, "folder": _folder, "archive": _archive, "table": _table}[
        config.source
    ]
    return found(config)


def _digits(config: DataConfig) -> Source:
    """The handwritten digits of scikit-learn, 1,797 pictures, each as the bytes of a BMP file."""
    from sklearn.datasets import load_digits

    digits, size = load_digits(), chosen(config.size)

    def read(index: int) -> bytes:
        small = Image.fromarray((digits.images[index] * (255 / 16)).round().astype(np.uint8))
        content = io.BytesIO()
        small.resize((size, size), Image.Resampling.BICUBIC).save(content, "BMP")
        return content.getvalue()

    pictures = [
        Picture(f"digits/{index:04}", int(label), made=functools.partial(read, index))
        for index, label in enumerate(digits.target)
    ]
    classes = [str(name) for name in digits.target_names]
    return Source(classes, divide(pictures, config, config.test_fraction))


def _archive(config: DataConfig) -> Source:
    """A folder that is downloaded first where it is not there."""
    root = _root(config)
    if not os.path.isdir(root):
        from ablation.pictures.download import fetch_archive

        fetch_archive(config.url, config.sha256, root)
    return _folder(config)


def _folder(config: DataConfig) -> Source:
    root = _root(config)
    found = folders.find(root, config.extra_formats)
    below = len(str(root / "x")) - 1
    splits = {
        split: [Picture(path[below:].replace(os.sep, "/"), label, path) for path, label in files]
        for split, files in found.splits.items()
    }
    return Source(found.classes, _divided(splits, config), found.notes)


def _table(config: DataConfig) -> Source:
    """The pictures that a table lists."""
    found = table.find(_root(config), config.columns)
    splits = {
        split: [Picture(row.name, row.label, str(row.path), row.group) for row in rows]
        for split, rows in found.splits.items()
    }
    return Source(found.classes, _divided(splits, config), found.notes)


def _divided(splits: dict[str, list[Picture]], config: DataConfig) -> dict[str, list[Picture]]:
    """The splits that a source has, and those that are made of its pictures to train."""
    if "train" not in splits:
        return divide(splits[""], config, config.test_fraction)
    if "val" not in splits:
        test_fraction = 0.0 if "test" in splits else config.test_fraction
        return {**splits, **divide(splits["train"], config, test_fraction)}
    if config.test_fraction and "test" not in splits:
        train, test = hold_out(
            splits["train"], config.test_fraction, config.split_seed, "data.test_fraction"
        )
        return {**splits, "train": train, "test": test}
    return splits


def _root(config: DataConfig) -> Path:
    return Path(config.root or "").expanduser()
