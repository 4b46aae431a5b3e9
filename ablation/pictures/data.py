"""Loads the pictures of a study: found, divided into splits, decoded, and checked.

Imports no torch, so that a wrong folder or an unreadable picture is answered at once.
"""

import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from ablation.config import DataConfig
from ablation.pictures import remarks, sources
from ablation.pictures.decode import Reading
from ablation.pictures.divide import limit
from ablation.pictures.errors import DataError, listed
from ablation.pictures.split import Split, digest

#: The settings that only decide what a view of a picture shows.
VIEW_SETTINGS = ("size", "val_crop", "interpolation", "crop_min", "crop_aspect", "flip")


@dataclass(frozen=True)
class Pictures:
    """The pictures of a study, divided into splits.

    Attributes:
        classes: the names of the classes.
        train, val: the pictures to train and to validate.
        test: the pictures that are held back; None where there are none.
        notes: what a person should know of the pictures.
        warnings: what is most likely a mistake.
    """

    classes: tuple[str, ...]
    train: Split
    val: Split
    test: Split | None
    notes: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    @property
    def splits(self) -> dict[str, Split]:
        """The splits by name: train, val, and test where there is one."""
        named = {"train": self.train, "val": self.val, "test": self.test}
        return {name: split for name, split in named.items() if split is not None}

    @property
    def digest(self) -> str:
        """A hash of the classes, the division and the contents: 16 hexadecimal digits."""
        parts = (split.digest for split in self.splits.values())
        return digest([repr(self.classes), *parts])[:16]

    @property
    def are_kept(self) -> bool:
        """Whether all pictures are in memory, decoded; else some are decoded at each use."""
        return all(split.is_kept for split in self.splits.values())

    def summary(self) -> str:
        """How many pictures and classes there are, in one line."""
        test = f", {len(self.test)} to test" if self.test else ""
        counts = f"{len(self.train)} pictures to train, {len(self.val)} to validate{test}"
        return f"{counts}, {len(self.classes)} classes"

    def lines(self) -> Iterator[str]:
        """The lines that follow the summary, before anything is trained."""
        yield self.counts()
        yield from (f"warning: {warning}" for warning in self.warnings)
        yield from (f"note: {note}" for note in self.notes)

    def counts(self, most: int = 12) -> str:
        """How many pictures each split has of each class, in one line.

        Args:
            most: of more classes than this, only half as many are listed.
        """
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
    """Find, divide, decode and check the pictures; once for all runs of a process.

    Args:
        config: where they are, how they are decoded and how they are divided.
        keep_gb: how many GB (1e9 bytes) of decoded pictures are kept in memory.

    Raises:
        DataError: a folder is missing or without pictures, the classes of the splits don't agree,
            pictures can't be decoded, or one has two labels (each is named).
        DownloadError: the archive can't be had.
    """
    # How views are cut does not matter here, and may not be decided yet.
    settings = {key: value for key, value in asdict(config).items() if key not in VIEW_SETTINGS}
    if config.source == "digits":
        settings["size"] = config.size or sources.DIGITS_SIZE
    return _load(json.dumps(settings, sort_keys=True), keep_gb)


@functools.lru_cache(maxsize=2)
def _load(settings: str, keep_gb: float) -> Pictures:
    config = DataConfig(**json.loads(settings))
    source = sources.find(config)
    classes, found = tuple(source.classes), source.splits
    if config.train_pictures or config.val_pictures:
        found["train"], found["val"] = limit(found["train"], found["val"], config)
    splits: dict[str, Split] = {}
    for name, pictures in found.items():
        used = sum(split.bytes for split in splits.values())
        skips = config.on_bad == "skip"
        splits[name] = Split(pictures, keep_gb * 1e9 - used, Reading.of(config), skips=skips)
    unreadable = [line for split in splits.values() for line in split.unreadable]
    skipped = []
    if unreadable and config.on_bad == "skip":
        n = len(unreadable)
        said = "1 picture is" if n == 1 else f"{n:,} pictures are"
        skipped = [f"{said} left out (data.on_bad=skip), such as {unreadable[0]}"]
        _refuse_empty(splits, classes)
    elif unreadable:
        raise DataError(listed(unreadable, "picture can't be read", "pictures can't be read"))
    copied = remarks.copies(splits)
    remarks.refuse_two_labels(copied, classes)
    return Pictures(
        classes,
        splits["train"],
        splits["val"],
        splits.get("test"),
        (*source.notes, *remarks.notes(splits, classes, copied)),
        (*skipped, *remarks.warnings(splits, classes, copied)),
    )


def _refuse_empty(splits: Mapping[str, Split], classes: Sequence[str]) -> None:
    for name, split in splits.items():
        there = set(split.labels.tolist())
        lacking = [of for label, of in enumerate(classes) if label not in there]
        if not there or (name == "train" and lacking):
            of = f" of {', '.join(lacking[:6])}" if there else ""
            raise DataError(f"data.on_bad=skip: no picture{of} in {name} can be read")
