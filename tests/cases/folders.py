"""Folders that are easily read wrongly, and what must be said of them."""

import shutil
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from ablation.config import DataConfig
from tests.conftest import paint


@dataclass
class FolderCase:
    """A folder: what it is, how it is made, and what must be said; refused or not."""

    title: str
    make: Callable[[Path], object]
    said: str
    is_refused: bool = False
    settings: dict[str, object] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return named(self.title, self.settings)


def named(name: str, settings: dict[str, object]) -> str:
    keys = [
        f"`data.{key}={value}`".replace(" ", "").replace("'", "") for key, value in settings.items()
    ]
    return f"{name}, {', '.join(keys)}" if keys else name


def classes(folder: Path, first: int, count: int = 2) -> None:
    """Noisy pictures of ants and bees, no two alike."""
    for label, (name, colour) in enumerate((("ants", (160, 90, 60)), ("bees", (60, 90, 160)))):
        for index in range(count):
            paint(folder / name / f"{index}.png", colour, first + 10 * label + index, (40, 40))


def divided(*names: str) -> Callable[[Path], object]:
    def make(root: Path) -> None:
        for index, name in enumerate(names):
            classes(root / name, 100 * index)

    return make


def then(
    make: Callable[[Path], object], *steps: Callable[[Path], object]
) -> Callable[[Path], object]:
    def run(root: Path) -> None:
        for step in (make, *steps):
            step(root)

    return run


def copy(one: str, other: str) -> Callable[[Path], object]:
    return lambda root: shutil.copy(root / one, root / other)


def same_pixels(one: str, other: str) -> Callable[[Path], object]:
    return lambda root: Image.open(root / one).save(root / other)


def files(*names: str) -> Callable[[Path], object]:
    """Files of nothing; of those with a picture's suffix, pictures."""

    def make(root: Path) -> None:
        for index, name in enumerate(names):
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix in (".png", ".gif"):
                paint(path, (90, 90, 90), 1000 + index, (40, 40))
            else:
                path.write_bytes(b"anything")

    return make


def gone(name: str) -> Callable[[Path], object]:
    return lambda root: shutil.rmtree(root / name)


def plain(folder: str) -> Callable[[Path], object]:
    """Pictures of one colour each in place of those of a class."""

    def make(root: Path) -> None:
        for index, path in enumerate(sorted((root / folder).iterdir())):
            Image.new("RGB", (40, 40), (index, 9, 9)).save(path)

    return make


def foreign(root: Path) -> None:
    """Names whose letters are composed in one split and not in the other: systems differ in it."""
    for index, (split, form) in enumerate((("train", "NFC"), ("val", "NFD"))):
        classes(root / split, 100 * index)
        (root / split / "ants").rename(root / split / unicodedata.normalize(form, "Käfer"))
        (root / split / "bees").rename(root / split / "蜂")


USUAL = divided("train", "val")
FOLDERS = [
    FolderCase("`train/`, `val/`", USUAL, "ants: 2 train, 2 val; bees: 2 train, 2 val"),
    FolderCase("`Train/`, `Val/`", divided("Train", "Val"), "ants: 2 train, 2 val"),
    FolderCase("`train/`, `valid/`", divided("train", "valid"), "ants: 2 train, 2 val"),
    FolderCase(
        "`TRAINING/`, `Validation/`, `Testing/`",
        divided("TRAINING", "Validation", "Testing"),
        "ants: 2 train, 2 val, 2 test",
    ),
    FolderCase("`train/`, `Train/`", divided("train", "Train"), "keep one of them", True),
    FolderCase("`train/`, `val/`, `valid/`", divided("train", "val", "valid"), "keep one", True),
    FolderCase("`val/` alone", divided("val"), "no train/", True),
    FolderCase(
        "`train2017/`, `val2017/`", divided("train2017", "val2017"), "looks like a split", True
    ),
    FolderCase(
        "a class `test/` within `train/`",
        then(USUAL, files("train/test/0.png")),
        "looks like a split",
        True,
    ),
    FolderCase(
        "`first/train/`, `second/train/`",
        divided("first/train", "second/train"),
        "holds train/",
        True,
    ),
    FolderCase("`train/`, `val/`, `old/`", divided("train", "val", "old"), "not used: old/"),
    FolderCase(
        "pictures beside the classes' folders",
        then(USUAL, files("loose.png", "train/loose.png")),
        "not used: 2 pictures lie outside the folders of the classes",
    ),
    FolderCase(
        "folders within the classes' folders",
        then(USUAL, files("train/ants/macro/0.png")),
        "1 picture lies in folders within those of the classes",
    ),
    FolderCase(
        "`.cr2`, `.gif`, `.txt` beside pictures",
        then(
            USUAL,
            files("train/ants/a.cr2", "train/ants/b.cr2", "val/bees/c.gif", "val/bees/d.txt"),
        ),
        "not read: 2 .cr2, 1 .gif, 1 .txt",
    ),
    FolderCase(
        "a class of nothing but `.gif`",
        then(USUAL, gone("train/ants"), files("train/ants/a.gif", "train/ants/b.gif")),
        "data.extra_formats=[.gif]",
        True,
    ),
    FolderCase(
        "a class of nothing but `.gif`",
        then(USUAL, gone("train/ants"), files("train/ants/a.gif", "train/ants/b.gif")),
        "ants: 2 train",
        settings={"extra_formats": [".gif"]},
    ),
    FolderCase("any", USUAL, "reads no .cr2", True, {"extra_formats": [".cr2"]}),
    FolderCase(
        "a class that only `val/` has",
        then(USUAL, gone("val/bees"), files("val/cats/0.png")),
        "'cats'",
        True,
    ),
    FolderCase(
        "a class that only `train/` has",
        then(USUAL, files("train/wasps/0.png", "train/wasps/1.png")),
        "note: val has no pictures of wasps",
    ),
    FolderCase(
        "an empty class's folder",
        then(USUAL, lambda root: (root / "train/wasps").mkdir()),
        "wasps: no pictures",
        True,
    ),
    FolderCase(
        "a file as `ants` in `train/` and as `bees` in `val/`",
        then(USUAL, copy("train/ants/0.png", "val/bees/copy.png")),
        "train/ants/0.png (ants) and val/bees/copy.png (bees)",
        True,
    ),
    FolderCase(
        "a file as `ants` and as `bees` in `train/`",
        then(USUAL, copy("train/ants/0.png", "train/bees/copy.png")),
        "1 picture has two labels",
        True,
    ),
    FolderCase(
        "other files of the same pixels as `ants` and as `bees`",
        then(USUAL, same_pixels("train/ants/0.png", "val/bees/copy.bmp")),
        "warning: 1 picture has copies of the same pixels in two classes",
    ),
    FolderCase(
        "a file twice in a class",
        then(USUAL, copy("train/ants/0.png", "train/ants/copy.png")),
        "note: 1 picture of train is a copy of another in it",
    ),
    FolderCase(
        "a file in `train/` and `val/`",
        then(USUAL, copy("train/ants/0.png", "val/ants/copy.png")),
        "note: 1 picture is in both train and val",
    ),
    FolderCase(
        "the same pixels as `.png` in `train/` and as `.bmp` in `val/`",
        then(USUAL, same_pixels("train/ants/0.png", "val/ants/copy.bmp")),
        "note: 1 picture is in both train and val",
    ),
    FolderCase(
        "a class whose pictures are of one colour each",
        then(USUAL, plain("train/ants")),
        "warning: all 2 pictures of ants in train are of one colour each",
    ),
    FolderCase(
        "`Käfer/` and `蜂/`, their letters composed in one split alone",
        foreign,
        "Käfer: 2 train, 2 val; 蜂: 2 train, 2 val",
    ),
]


def settings(root: Path, changes: dict[str, object]) -> DataConfig:
    return DataConfig(source="folder", root=str(root), size=32, **changes)  # type: ignore[arg-type]


def of_folder(case: FolderCase, root: Path) -> DataConfig:
    case.make(root)
    return settings(root, case.settings)
