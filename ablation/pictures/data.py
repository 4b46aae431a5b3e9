"""The pictures of a study: where they come from, how they are divided, and their decoded pixels.

Imports no torch, so that a wrong folder or an unreadable picture is answered at once.
"""

import functools
import io
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ablation.config import DataConfig, chosen
from ablation.pictures import folders, remarks
from ablation.pictures.decode import Reading
from ablation.pictures.divide import divide, hold_out, limit
from ablation.pictures.folders import DataError as DataError
from ablation.pictures.split import Picture as Picture
from ablation.pictures.split import Split as Split
from ablation.pictures.split import digest

#: The settings that decide what a view of a picture shows.
VIEWS = ("size", "val_crop", "interpolation", "crop_min", "crop_aspect", "flip")
#: Pixels to which a digit of 8 × 8 is enlarged where no size is asked for.
DIGITS_SIZE = 64


@dataclass(frozen=True)
class Pictures:
    """The divided pictures of a study."""

    classes: tuple[str, ...]
    train: Split
    val: Split
    test: Split | None
    notes: tuple[str, ...]  # what a person should know of them
    warnings: tuple[str, ...] = ()  # what is most likely a mistake

    @property
    def splits(self) -> dict[str, Split]:
        """Those that there are, by name: train, val, test."""
        named = {"train": self.train, "val": self.val, "test": self.test}
        return {name: split for name, split in named.items() if split is not None}

    @property
    def digest(self) -> str:
        """Identifies classes, division and contents: 16 hexadecimal digits."""
        parts = (split.digest for split in self.splits.values())
        return digest([repr(self.classes), *parts])[:16]

    @property
    def are_kept(self) -> bool:
        """Whether all pictures are in memory, decoded; else they are decoded as they are used."""
        return all(split.is_kept for split in self.splits.values())

    def summary(self) -> str:
        test = f", {len(self.test)} to test" if self.test else ""
        counts = f"{len(self.train)} pictures to train, {len(self.val)} to validate{test}"
        return f"{counts}, {len(self.classes)} classes"

    def lines(self) -> Iterator[str]:
        """What is said of them before anything is trained, after the summary."""
        yield self.counts()
        yield from (f"warning: {warning}" for warning in self.warnings)
        yield from (f"note: {note}" for note in self.notes)

    def counts(self, most: int = 12) -> str:
        """How many pictures each split has of each class; of many classes, of the first."""
        table = {
            name: np.bincount(split.labels, minlength=len(self.classes))
            for name, split in self.splits.items()
        }
        shown = most if len(self.classes) <= most else most // 2
        lines = [
            f"{of}: {', '.join(f'{n[label]:,} {name}' for name, n in table.items())}"
            for label, of in enumerate(self.classes[:shown])
        ]
        if len(self.classes) > shown:
            spans = ", ".join(f"{n.min():,} to {n.max():,} {name}" for name, n in table.items())
            lines.append(f"… and {len(self.classes) - shown} more classes; each has {spans}")
        return "; ".join(lines)


def load(config: DataConfig, keep_gb: float = 2.0) -> Pictures:
    """Find, divide and decode the pictures; once for all runs of a process.

    Args:
        config: where they are, how they are read and how they are divided.
        keep_gb: keep at most this much of the decoded pictures in memory.

    Raises:
        DataError: a folder is missing or without pictures, the classes of the splits don't agree,
            pictures can't be read, or one has two labels (each is named).
    """
    # How views are made of them is no matter here: it may not be decided yet.
    settings = {key: value for key, value in asdict(config).items() if key not in VIEWS}
    if config.source == "digits":
        settings["size"] = config.size or DIGITS_SIZE
    hashable = ((key, tuple(v) if isinstance(v, list) else v) for key, v in settings.items())
    return _load(tuple(hashable), keep_gb)


@functools.lru_cache(maxsize=2)
def _load(settings: tuple[tuple[str, object], ...], keep_gb: float) -> Pictures:
    config = DataConfig(**dict(settings))  # type: ignore[arg-type]
    classes, found, unused = _find(config)
    if config.train_pictures or config.val_pictures:
        found["train"], found["val"] = limit(found["train"], found["val"], config)
    splits: dict[str, Split] = {}
    for name, pictures in found.items():
        used = sum(split.bytes for split in splits.values())
        splits[name] = Split(pictures, keep_gb * 1e9 - used, Reading.of(config))
    unreadable = [line for split in splits.values() for line in split.unreadable]
    if unreadable:
        raise DataError(
            remarks.listed(unreadable, "picture can't be read", "pictures can't be read")
        )
    copies = remarks.copies(splits)
    remarks.refuse_two_labels(copies, classes)
    return Pictures(
        tuple(classes),
        splits["train"],
        splits["val"],
        splits.get("test"),
        (*unused, *remarks.notes(splits, classes, copies)),
        tuple(remarks.warnings(splits, classes, copies)),
    )


def _find(config: DataConfig) -> tuple[list[str], dict[str, list[Picture]], list[str]]:
    """The classes, the pictures of each split, and notes on what is not used."""
    if config.source == "digits":
        classes, splits = _digits(config)
        return classes, splits, []
    root = Path(config.root or "").expanduser()
    if config.source == "archive" and not os.path.isdir(root):
        from ablation.pictures.download import fetch_archive

        fetch_archive(config.url, config.sha256, root)
    return _folder(root, config)


def _digits(config: DataConfig) -> tuple[list[str], dict[str, list[Picture]]]:
    from sklearn.datasets import load_digits

    digits, size = load_digits(), chosen(config.size)

    def read(index: int) -> bytes:
        small = Image.fromarray((digits.images[index] * (255 / 16)).round().astype(np.uint8))
        content = io.BytesIO()
        large = small.resize((size, size), Image.Resampling.BICUBIC)
        large.save(content, "BMP")
        return content.getvalue()

    pictures = [
        Picture(f"digits/{index:04}", int(label), functools.partial(read, index))
        for index, label in enumerate(digits.target)
    ]
    return [str(name) for name in digits.target_names], divide(
        pictures, config, config.test_fraction
    )


def _folder(
    root: Path, config: DataConfig
) -> tuple[list[str], dict[str, list[Picture]], list[str]]:
    found = folders.find(root, config.extra_formats)
    splits = {
        split: [Picture(p.relative_to(root).as_posix(), label, p.read_bytes) for p, label in files]
        for split, files in found.splits.items()
    }
    if "train" not in splits:
        splits = divide(splits[""], config, config.test_fraction)
    elif "val" not in splits:
        test_fraction = 0.0 if "test" in splits else config.test_fraction
        splits = {**splits, **divide(splits["train"], config, test_fraction)}
    elif config.test_fraction and "test" not in splits:
        splits["train"], splits["test"] = hold_out(
            splits["train"], config.test_fraction, config.split_seed, "data.test_fraction"
        )
    return found.classes, splits, found.notes
