"""What is known of picture files from before: taken as it was, and never where a file changed."""

import os
import time
import weakref
from pathlib import Path

import numpy as np
import pytest

from ablation.config import CacheConfig
from ablation.pictures import data, describe, index
from ablation.pictures.errors import DataError
from tests.conftest import paint
from tests.pictures.made_up import MakeFolder, folder_config


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CacheConfig:
    """A cache of its own, which enters files that were just made, too."""
    monkeypatch.setattr(index, "RECENT_SECONDS", -1e9)
    return CacheConfig(folder=str(tmp_path / "cache"))


def loaded(root: Path, cache: CacheConfig) -> data.Pictures:
    """As another command loads them."""
    data._described.cache_clear()
    return data.load(folder_config(root), cache)


def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the pictures that are read from here on."""
    found: list[str] = []
    read = describe._read

    def reads(picture: describe.Picture, *args: object) -> object:
        found.append(picture.name)
        return read(picture, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(describe, "_read", reads)
    return found


def test_a_second_start_reads_no_file_and_knows_the_same(
    make_folder: MakeFolder, cache: CacheConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_folder({"train": 3, "val": 2})
    first = loaded(root, cache)
    read = decoded(monkeypatch)
    again = loaded(root, cache)
    assert read == []
    assert again.digest == first.digest
    for one, other in zip(first.splits.values(), again.splits.values(), strict=True):
        assert (one.facts, one.looks, one.contents) == (other.facts, other.looks, other.contents)
        np.testing.assert_array_equal(one.sizes, other.sizes)
    np.testing.assert_array_equal(first.train.pixels(1), again.train.pixels(1))


def test_only_a_file_that_changed_is_read_again(
    make_folder: MakeFolder, cache: CacheConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_folder({"train": 3, "val": 2})
    first = loaded(root, cache)
    path = root / "train/red/001.png"
    before = path.stat()
    path.unlink()
    paint(path, (200, 0, 0), 77, (40, 40))
    # Of the same time, as a copy that keeps it.
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    read = decoded(monkeypatch)
    again = loaded(root, cache)
    assert read == ["train/red/001.png"]
    assert again.digest != first.digest


def test_a_file_that_has_just_changed_is_read_again_next_time(
    make_folder: MakeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, cache = make_folder({"train": 3, "val": 2}), CacheConfig(folder=str(tmp_path / "cache"))
    monkeypatch.setattr(index, "RECENT_SECONDS", 3600.0)
    loaded(root, cache)
    read = decoded(monkeypatch)
    loaded(root, cache)
    assert len(read) == 10


def test_a_picture_that_is_not_what_the_index_says_is_refused_once(
    make_folder: MakeFolder, cache: CacheConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_folder({"train": 3, "val": 2})
    monkeypatch.setattr(index, "RECENT_SECONDS", 0.0)
    monkeypatch.setattr(index, "_is_as_it_was", lambda path, stamp: True)
    first = loaded(root, cache)
    place = first.train.names.index("train/red/001.png")
    paint(root / "train/red/001.png", (200, 0, 0), 77, (40, 40))
    again = loaded(root, cache)
    with pytest.raises(DataError, match=r"train/red/001.png: has changed since it was first read"):
        again.train.pixels(place)
    assert loaded(root, cache).train.pixels(place).shape == (40, 40, 3)


@pytest.mark.parametrize("content", [b"no database", b""])
def test_a_damaged_index_costs_only_time(
    content: bytes, make_folder: MakeFolder, cache: CacheConfig
) -> None:
    root = make_folder({"train": 3, "val": 2})
    first = loaded(root, cache)
    (file,) = (Path(str(cache.folder)) / "pictures").iterdir()
    file.write_bytes(content)
    assert loaded(root, cache).digest == first.digest
    assert loaded(root, cache).digest == first.digest


def test_a_cache_that_cannot_be_written_costs_only_time(
    make_folder: MakeFolder, tmp_path: Path
) -> None:
    root = make_folder({"train": 3, "val": 2})
    (tmp_path / "file").write_text("in the way")
    assert len(loaded(root, CacheConfig(folder=str(tmp_path / "file"))).train) == 6


def test_processes_find_what_threads_find(
    make_folder: MakeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_folder({"train": 3, "val": 2})
    first = loaded(root, CacheConfig(folder=str(tmp_path / "one")))
    monkeypatch.setattr(describe, "MANY", 1)
    again = loaded(root, CacheConfig(folder=str(tmp_path / "other")))
    assert again.digest == first.digest
    assert [split.facts for split in again.splits.values()] == [
        split.facts for split in first.splits.values()
    ]


def test_pixels_that_are_not_kept_are_not_in_memory_together(
    make_folder: MakeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_folder({"train": 60, "val": 2})
    made: list[weakref.ref[object]] = []
    most = 0
    read = describe._read

    def reads(picture: describe.Picture, reading: object) -> object:
        nonlocal most
        time.sleep(0.02)  # Longer than it takes to use one.
        stamp, found = read(picture, reading)  # type: ignore[arg-type]
        made.append(weakref.ref(found.pixels))
        most = max(most, sum(one() is not None for one in made))
        return stamp, found

    monkeypatch.setattr(describe, "_read", reads)
    cache = CacheConfig(folder=str(tmp_path / "cache"), pictures_gb=0)
    data._described.cache_clear()
    data.load(folder_config(root), cache)
    assert 0 < most <= 2 * (os.cpu_count() or 1) + 10
    made.clear()
    most = 0
    pictures = [describe.Picture(path.name, 0, str(path)) for path in root.rglob("*.png")]
    assert len(describe._described(pictures, describe.Reading())) == len(pictures) == 124
    assert most <= 2
