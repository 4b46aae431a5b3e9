"""Folders, archives and settings that the tests of pictures share."""

import functools
import hashlib
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ablation.config import DataConfig
from ablation.pictures.describe import Picture
from ablation.pictures.download import fetch_archive
from ablation.pictures.errors import DownloadError
from ablation.pictures.split import Split
from tests.conftest import paint

MakeFolder = Callable[..., Path]

#: The pictures of an archive.
NAMES = tuple(
    f"{split}/{name}/{index}.png"
    for split in ("train", "val")
    for name in ("ants", "bees")
    for index in range(2)
)


def folder_config(root: Path, **changes: object) -> DataConfig:
    """The settings of a folder of pictures."""
    return DataConfig(source="folder", root=str(root), **changes)  # type: ignore[arg-type]


def views_config(root: Path | str = "", **changes: object) -> DataConfig:
    """The settings of small views."""
    usual = {"size": 32, "val_crop": 0.875, "interpolation": "bilinear"}
    return DataConfig(source="folder", root=str(root), **{**usual, **changes})  # type: ignore[arg-type]


def noisy(n: int) -> Split:
    """Pictures of noise, of two classes in turn."""

    def read(index: int) -> bytes:
        pixels = np.random.default_rng(index).integers(0, 256, (50, 60, 3), dtype=np.uint8)
        content = io.BytesIO()
        Image.fromarray(pixels).save(content, "PNG")
        return content.getvalue()

    pictures = [
        Picture(f"train/{index:03}.png", index % 2, made=functools.partial(read, index))
        for index in range(n)
    ]
    return Split(pictures, 1e9)


def class_only_in_val(root: Path) -> None:
    paint(root / "val" / "green" / "0.png", (0, 200, 0), 0, (40, 40))


def unreadable(root: Path) -> None:
    (root / "train" / "red" / "broken.jpg").write_bytes(b"no picture at all")


def truncated(root: Path) -> None:
    path = root / "val" / "blue" / "000.png"
    path.write_bytes(path.read_bytes()[:300])


def zipped(members: dict[str, bytes], mode: int = 0) -> bytes:
    """A zip; `mode` is the type of its last member, as in Unix."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as opened:
        for index, (name, text) in enumerate(members.items(), 1):
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (mode if index == len(members) else 0o100644) << 16
            opened.writestr(info, text)
    return content.getvalue()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def files(folder: Path) -> dict[str, bytes]:
    """The contents of all files below a folder, by their paths in it."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def assert_nothing_is_left(root: Path) -> None:
    assert not root.parent.exists() or not list(root.parent.iterdir())


def message_of(url: str | None, checksum: str | None, root: Path, timeout: float = 5) -> str:
    """What a person is told of an archive; nothing may be left of the try."""
    with pytest.raises(DownloadError) as caught:
        fetch_archive(url, checksum, root, timeout=timeout)
    assert_nothing_is_left(root)
    return str(caught.value)
