"""Loads the pictures of a study: found, divided into splits, decoded, and checked.

Imports no torch, so that a wrong folder or an unreadable picture is answered at once.
"""

import functools
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from ablation import process
from ablation.config import CacheConfig, DataConfig, cache_folder, chosen
from ablation.pictures import remarks, sources
from ablation.pictures.decode import Reading
from ablation.pictures.divide import fold, limit
from ablation.pictures.errors import DataError, listed
from ablation.pictures.hashes import digest
from ablation.pictures.index import Index
from ablation.pictures.split import Split

#: The settings that only decide what a view of a picture shows.
VIEW_SETTINGS = ("size", "val_crop", "interpolation", "crop_min", "crop_aspect", "flip")
#: The one split of a study that is divided into folds for its runs.
WHOLE = "the study"


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
        """Whether all pictures stay in memory once decoded; else some are decoded at each use."""
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


@dataclass(frozen=True)
class Gathered:
    """What is known of a source, before its pictures are put together for a run.

    Attributes:
        classes: the names of the classes.
        splits: train, val, and test where pictures are held back; with `data.folds` only `WHOLE`,
            which holds those of train and val together.
        copied: groups of pictures with the same pixels, see `remarks.copies`.
        notes: what of the source is not used.
        skipped: a warning where pictures are left out.
        made: seed → the pictures as that run gets them; one entry where there are no folds.
    """

    classes: tuple[str, ...]
    splits: Mapping[str, Split]
    copied: list[list[remarks.Member]]
    notes: tuple[str, ...]
    skipped: tuple[str, ...]
    made: dict[int, Pictures] = field(default_factory=dict)


@dataclass(frozen=True)
class Folded:
    """The pictures of a cross-validated study, which all its runs share.

    Attributes:
        first: as the first run gets them.
        n_folds: into how many folds they are divided.
        notes: what a person should know of the pictures.
        warnings: what is most likely a mistake.
    """

    first: Pictures
    n_folds: int
    notes: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes."""
        return self.first.classes

    def summary(self) -> str:
        """How many pictures, folds and classes there are, in one line."""
        n = len(self.first.train) + len(self.first.val)
        return f"{n} pictures in {self.n_folds} folds, {len(self.classes)} classes"

    def lines(self) -> Iterator[str]:
        """The lines that follow the summary, before anything is trained."""
        yield f"the first fold: {self.first.counts()}"
        yield from (f"warning: {warning}" for warning in self.warnings)
        yield from (f"note: {note}" for note in self.notes)


def load(config: DataConfig, cache: CacheConfig | None = None, seed: int = 0) -> Pictures:
    """Find, divide, describe and check the pictures; once for all runs of a process.

    Args:
        config: where they are, how they are decoded and how they are divided.
        cache: how much of them is kept in memory, and where it is kept what they are, so that the
            next command need not read them all; None for the usual values.
        seed: of the run, which says what its fold is where there are folds, see `divide.fold`.

    Raises:
        DataError: a folder is missing or without pictures, the classes of the splits don't agree,
            pictures can't be decoded, one has two labels (each is named), or they can't be divided.
        DownloadError: the archive can't be had.
    """
    found = _gathered(config, cache or CacheConfig())
    which = seed if config.folds else 0
    if which not in found.made:
        found.made[which] = _put_together(found, config, seed)
    return found.made[which]


def folded(config: DataConfig, cache: CacheConfig, seeds: Sequence[int]) -> Folded:
    """The pictures of a cross-validated study, with all its folds checked.

    Args:
        config, cache: as for `load`.
        seeds: of its runs.

    Raises:
        DataError, DownloadError: as `load`.
    """
    runs = [load(config, cache, seed) for seed in seeds]
    found = _gathered(config, cache)
    n_folds, whole = chosen(config.folds), found.splits
    division = [run.splits for run in runs[:n_folds]]
    return Folded(
        runs[0],
        n_folds,
        (
            *found.notes,
            *remarks.notes(whole, found.classes, found.copied),
            *remarks.notes_on_folds(division),
        ),
        (*found.skipped, *remarks.warnings(whole, found.classes, found.copied)),
    )


def _gathered(config: DataConfig, cache: CacheConfig) -> Gathered:
    # How views are cut does not matter here, and may not be decided yet.
    settings = {key: value for key, value in asdict(config).items() if key not in VIEW_SETTINGS}
    settings["below"] = os.getcwd()  # A root may be relative to it.
    if config.source == "digits":
        settings["size"] = config.size or sources.DIGITS_SIZE
    index = str(cache_folder(cache) / "pictures")
    return _described(json.dumps(settings, sort_keys=True), cache.pictures_gb, index)


def _put_together(found: Gathered, config: DataConfig, seed: int) -> Pictures:
    splits, copied = found.splits, found.copied
    if config.folds:
        whole = splits[WHOLE]
        train, judged = fold(whole.labels.tolist(), whole.groups, config, seed)
        splits = {"train": whole.subset(train), "val": whole.subset(judged)}
        copied = remarks.copies(splits)
    return Pictures(
        found.classes,
        splits["train"],
        splits["val"],
        splits.get("test"),
        (*found.notes, *remarks.notes(splits, found.classes, copied)),
        (*found.skipped, *remarks.warnings(splits, found.classes, copied)),
    )


@functools.lru_cache(maxsize=2)
def _described(settings: str, keep_gb: float, index: str) -> Gathered:
    values = json.loads(settings)
    del values["below"]
    config = DataConfig(**values)
    source = sources.find(config)
    classes, found = tuple(source.classes), source.splits
    if config.train_pictures or config.val_pictures:
        found["train"], found["val"] = limit(found["train"], found["val"], config)
    notes = list(source.notes)
    if config.folds:
        found, unused = {WHOLE: found["train"] + found["val"]}, found.get("test")
        if unused:
            notes.append(f"the {len(unused):,} pictures to test are not used with data.folds")
    splits: dict[str, Split] = {}
    skips, reading = config.on_bad == "skip", Reading.of(config)
    known = Index(Path(index), reading)
    with process.many_objects():
        for name, pictures in found.items():
            left = keep_gb * 1e9 - sum(split.bytes for split in splits.values())
            splits[name] = Split(pictures, left, reading, skips=skips, index=known)
    skipped = _left_out(splits, classes, config)
    copied = remarks.copies(splits)
    remarks.refuse_two_labels(copied, classes)
    return Gathered(classes, splits, copied, tuple(notes), skipped)


def _left_out(
    splits: Mapping[str, Split], classes: Sequence[str], config: DataConfig
) -> tuple[str, ...]:
    """A warning of pictures that can't be read, where they may be left out."""
    unreadable = [line for split in splits.values() for line in split.unreadable]
    if not unreadable:
        return ()
    if config.on_bad != "skip":
        raise DataError(listed(unreadable, "picture can't be read", "pictures can't be read"))
    n = len(unreadable)
    said = "1 picture is" if n == 1 else f"{n:,} pictures are"
    _refuse_empty(splits, classes)
    return (f"{said} left out (data.on_bad=skip), such as {unreadable[0]}",)


def _refuse_empty(splits: Mapping[str, Split], classes: Sequence[str]) -> None:
    for name, split in splits.items():
        there = set(split.labels.tolist())
        lacking = [of for label, of in enumerate(classes) if label not in there]
        if not there or (name in ("train", WHOLE) and lacking):
            of = f" of {', '.join(lacking[:6])}" if there else ""
            where = f" in {name}" if name != WHOLE else ""
            raise DataError(f"data.on_bad=skip: no picture{of}{where} can be read")
