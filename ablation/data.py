"""The pictures of a study: where they come from, how they are divided, and their decoded pixels.

Imports no torch, so that a wrong folder or an unreadable picture is answered at once.
"""

import functools
import hashlib
import io
import itertools
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from ablation.config import ConfigError, DataConfig, chosen

SUFFIXES = frozenset([".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"])

#: The settings that decide what a view of a picture shows.
VIEWS = ("size", "val_crop", "interpolation", "crop_min", "crop_aspect", "flip")
#: Pixels to which a digit of 8 × 8 is enlarged where no size is asked for.
DIGITS_SIZE = 64

Pixels = npt.NDArray[np.uint8]


class DataError(ConfigError):
    """Pictures that can't be used as they are; its text is for the person who owns them."""


@dataclass(frozen=True)
class Picture:
    """One picture, not yet decoded."""

    name: str  # its path below the root
    label: int  # index into the classes
    read: Callable[[], bytes]


class Split:
    """Pictures that serve one purpose: to train, to validate, or to test.

    Attributes:
        names: each picture's path below the root.
        labels: shape (n,), indices into the classes.
        keys: shape (n,), 64 bits of each file's digest: what a view is drawn from.
        contents: each file's own digest.
        digest: of names, labels and contents.
        bytes: of all pictures, decoded.
        unreadable: a line on each picture that can't be read.
    """

    def __init__(self, pictures: Sequence[Picture], keep_bytes: float) -> None:
        self.names = [picture.name for picture in pictures]
        self.labels = np.array([picture.label for picture in pictures], dtype=np.int64)
        self._pictures = pictures
        self._kept: list[Pixels | None] = []
        self.contents: list[str] = []
        self.unreadable: list[str] = []
        self.bytes = 0
        with ThreadPoolExecutor() as threads:
            for picture, (content, pixels) in zip(
                pictures, threads.map(_read_and_decode, pictures), strict=True
            ):
                self.contents.append(content)
                if isinstance(pixels, str):
                    self.unreadable.append(f"{picture.name}: {pixels}")
                    continue
                self.bytes += pixels.nbytes
                self._kept.append(pixels if self.bytes <= keep_bytes else None)
        self.keys = np.array([int(content[:16], 16) for content in self.contents], dtype=np.uint64)
        lines = zip(self.names, self.labels.tolist(), self.contents, strict=True)
        self.digest = _digest(repr(line) for line in lines)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def is_kept(self) -> bool:
        """Whether all pictures are in memory, decoded."""
        return all(pixels is not None for pixels in self._kept)

    def pixels(self, index: int) -> Pixels:
        """One picture, decoded: shape (height, width, 3), 0..255."""
        kept = self._kept[index]
        return decode(self._pictures[index].read()) if kept is None else kept


@dataclass(frozen=True)
class Pictures:
    """The divided pictures of a study."""

    classes: tuple[str, ...]
    train: Split
    val: Split
    test: Split | None
    notes: tuple[str, ...]  # what a reader of the report should know about them

    @property
    def digest(self) -> str:
        """Identifies classes, division and contents: 16 hexadecimal digits."""
        splits = [self.train, self.val, *([self.test] if self.test else [])]
        return _digest([repr(self.classes), *(split.digest for split in splits)])[:16]

    @property
    def are_kept(self) -> bool:
        """Whether all pictures are in memory, decoded; else they are decoded as they are used."""
        return all(split.is_kept for split in (self.train, self.val, self.test) if split)

    def summary(self) -> str:
        test = f", {len(self.test)} to test" if self.test else ""
        counts = f"{len(self.train)} pictures to train, {len(self.val)} to validate{test}"
        return f"{counts}, {len(self.classes)} classes"


def load(config: DataConfig, keep_gb: float = 2.0) -> Pictures:
    """Find, divide and decode the pictures; once for all runs of a process.

    Args:
        config: where they are and how they are divided.
        keep_gb: keep at most this much of the decoded pictures in memory.

    Raises:
        DataError: a folder is missing or without pictures, the classes of the splits don't agree,
            or pictures can't be read (each is named).
    """
    # How views are made of them is no matter here: it may not be decided yet.
    settings = {key: value for key, value in asdict(config).items() if key not in VIEWS}
    if config.source == "digits":
        settings["size"] = config.size or DIGITS_SIZE
    return _load(tuple(settings.items()), keep_gb)


@functools.lru_cache(maxsize=2)
def _load(settings: tuple[tuple[str, object], ...], keep_gb: float) -> Pictures:
    config = DataConfig(**dict(settings))  # type: ignore[arg-type]
    classes, found = _find(config)
    if config.train_pictures or config.val_pictures:
        found["train"], found["val"] = _limit(found["train"], found["val"], config)
    splits: dict[str, Split] = {}
    for name, pictures in found.items():
        used = sum(split.bytes for split in splits.values())
        splits[name] = Split(pictures, keep_gb * 1e9 - used)
    unreadable = [line for split in splits.values() for line in split.unreadable]
    if unreadable:
        raise DataError(_unreadable(unreadable))
    notes = tuple(_overlaps(splits))
    return Pictures(tuple(classes), splits["train"], splits["val"], splits.get("test"), notes)


def decode(content: bytes) -> Pixels:
    """A picture file's pixels, upright: shape (height, width, 3), 0..255."""
    with Image.open(io.BytesIO(content)) as picture:
        return np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))


def _read_and_decode(picture: Picture) -> tuple[str, Pixels | str]:
    """A file's digest, and its pixels or the reason why it has none."""
    try:
        content = picture.read()
        return _sha256(content), decode(content)
    # Pillow's readers raise nearly anything on a damaged file; each becomes a line of one message.
    except Exception as error:
        reason = str(error) if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
        if isinstance(error, UnidentifiedImageError):
            reason = "not a picture"
        return _sha256(b""), reason


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _unreadable(lines: Sequence[str]) -> str:
    shown = "\n".join(f"  {line}" for line in lines[:10])
    more = f"\n  … and {len(lines) - 10} more" if len(lines) > 10 else ""
    plural = "picture" if len(lines) == 1 else "pictures"
    return f"{len(lines)} {plural} can't be read; mend or remove:\n{shown}{more}"


def _find(config: DataConfig) -> tuple[list[str], dict[str, list[Picture]]]:
    if config.source == "digits":
        return _digits(config)
    root = Path(config.root or "").expanduser()
    if config.source == "archive" and not os.path.isdir(root):
        from ablation.download import fetch_archive

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
    return [str(name) for name in digits.target_names], _divide(pictures, config)


def _folder(root: Path, config: DataConfig) -> tuple[list[str], dict[str, list[Picture]]]:
    if not os.access(root, os.R_OK | os.X_OK):
        raise DataError(f"data.root={root}: there is no such folder, or it may not be read")
    if not root.is_dir():
        raise DataError(f"data.root={root}: is a file, not a folder")
    if not (root / "train").is_dir():
        classes = _classes(root)
        return classes, _divide(_pictures(root, root, classes), config)
    classes = _classes(root / "train")
    found = {"train": _pictures(root, root / "train", classes)}
    for name in ("val", "test"):
        if (root / name).is_dir():
            stray = sorted(set(_classes(root / name)) - set(classes))
            if stray:
                raise DataError(
                    f"{root / name / stray[0]}: the class {stray[0]!r} is in {name}/ and not in "
                    f"train/, whose classes are {', '.join(classes)}"
                )
            found[name] = _pictures(root, root / name, classes)
    if "val" not in found:
        parts = _divide(found["train"], config)
        found = {**found, **parts}
    elif config.test_fraction and "test" not in found:
        found["train"], found["test"] = _hold_out(
            found["train"], config.test_fraction, config.split_seed, "data.test_fraction"
        )
    return classes, found


def _classes(folder: Path) -> list[str]:
    names = sorted(
        path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")
    )
    if len(names) < 2:
        raise DataError(
            f"{folder}: needs a folder for each of two or more classes, has "
            + (", ".join(names) if names else "none")
        )
    return names


def _pictures(root: Path, folder: Path, classes: Sequence[str]) -> list[Picture]:
    """The pictures of each class folder, in the order of their paths."""
    found = []
    for label, name in enumerate(classes):
        if not (folder / name).is_dir():
            continue
        paths = sorted(
            path
            for path in (folder / name).rglob("*")
            if path.suffix.lower() in SUFFIXES
            and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        )
        if not paths:
            raise DataError(
                f"{folder / name}: no pictures in this folder ({', '.join(sorted(SUFFIXES))})"
            )
        found += [Picture(p.relative_to(root).as_posix(), label, p.read_bytes) for p in paths]
    return found


def _divide(pictures: list[Picture], config: DataConfig) -> dict[str, list[Picture]]:
    parts = {}
    rest = pictures
    if config.test_fraction:
        rest, parts["test"] = _hold_out(
            rest, config.test_fraction, config.split_seed, "data.test_fraction"
        )
    train, val = _hold_out(rest, config.val_fraction, config.split_seed, "data.val_fraction")
    return {"train": train, "val": val, **parts}


def _limit(
    train: list[Picture], val: list[Picture], config: DataConfig
) -> tuple[list[Picture], list[Picture]]:
    parts = []
    for part, count, key in (
        (train, config.train_pictures, "data.train_pictures"),
        (val, config.val_pictures, "data.val_pictures"),
    ):
        if count is not None and count > len(part):
            raise DataError(f"{key}={count}: there are {len(part)}")
        if count is None or count == len(part):
            parts.append(part)
        else:
            parts.append(_hold_out(part, count, config.split_seed, key)[1])
    return parts[0], parts[1]


def _hold_out(
    pictures: list[Picture], size: float | int, seed: int, key: str
) -> tuple[list[Picture], list[Picture]]:
    """Divide stratified and seeded; both parts keep the order of the pictures."""
    from sklearn.model_selection import train_test_split

    labels = [picture.label for picture in pictures]
    try:
        rest, held = train_test_split(
            range(len(pictures)), test_size=size, stratify=labels, random_state=seed
        )
    except ValueError as error:
        raise DataError(
            f"{key}={size:g}: {len(pictures)} pictures can't be divided so that each class has one "
            f"in each part ({error})"
        ) from error
    return [pictures[i] for i in sorted(rest)], [pictures[i] for i in sorted(held)]


def _overlaps(splits: dict[str, Split]) -> Iterable[str]:
    for (one, a), (other, b) in itertools.combinations(splits.items(), 2):
        shared = set(a.contents) & set(b.contents)
        if shared:
            example = b.names[b.contents.index(min(shared))]
            yield (
                f"{len(shared)} pictures are in both {one} and {other} (such as {example}): "
                f"accuracy on {other} is flattered by what was seen in {one}"
            )


def _digest(lines: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line.encode() + b"\n")
    return digest.hexdigest()
