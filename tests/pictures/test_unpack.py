"""An archive that is damaged or unsafe is refused by name, and nothing of it stays."""

import random
import struct
from pathlib import Path

import pytest

from ablation.pictures import unpack
from ablation.pictures.download import fetch_archive
from ablation.pictures.errors import DownloadError
from tests.pictures.made_up import NAMES, assert_nothing_is_left, files, message_of, zipped


def message_of_archive(content: bytes, root: Path) -> str:
    """What a person is told of an archive on this machine; its address becomes URL."""
    archive = root.parents[1] / "a.zip"
    archive.write_bytes(content)
    message = message_of(archive.as_uri(), None, root)
    archive.unlink()
    return message.replace(archive.as_uri(), "URL")


@pytest.mark.parametrize(
    "name",
    [
        "../evil.png",
        "/evil.png",
        "pictures/../../evil.png",
        "pictures/.. /evil.png",
        "..\\evil.png",
        "C:evil.png",
        "pictures/C:/evil.png",
        "\\\\host\\share\\evil.png",
    ],
)
def test_an_archive_that_reaches_out_of_its_folder_is_refused_before_anything_is_unpacked(
    name: str, root: Path
) -> None:
    content = zipped({"pictures/train/ants/0.png": b"", name: b"evil"})
    before = files(root.parents[1])
    message = message_of_archive(content, root)
    assert f"holds {name!r}, a path outside its folder" in message
    assert files(root.parents[1]) == before


@pytest.mark.parametrize("mode", [0o120777, 0o010644], ids=["symlink", "pipe"])
def test_a_link_in_an_archive_is_refused(mode: int, root: Path) -> None:
    content = zipped({"pictures/train": b"/etc"}, mode=mode)
    message = message_of_archive(content, root)
    assert "holds 'pictures/train', which is neither a file nor a folder" in message


def test_an_archive_that_would_grow_without_measure_is_refused(root: Path) -> None:
    content = zipped({"pictures/train/ants/0.bmp": bytes(10_000_000)})
    assert "to 10,000,000 bytes, as pictures don't" in message_of_archive(content, root)


def test_an_archive_of_too_many_files_is_refused(
    archive: bytes, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpack, "MAX_MEMBERS", len(NAMES) - 1)
    assert "holds 8 files, more than 7" in message_of_archive(archive, root)


def test_a_member_larger_than_it_says_is_refused(root: Path) -> None:
    size, small = struct.pack("<L", 1_000_000), struct.pack("<L", 10)
    content = zipped({"pictures/0.bmp": bytes(1_000_000)}).replace(size, small)
    assert "can't be read as a zip archive" in message_of_archive(content, root)


def test_a_file_that_stands_where_a_folder_must_is_named(root: Path) -> None:
    content = zipped({"pictures/a": b"file", "pictures/a/0.png": b"in it"})
    assert "holds 'pictures/a/0.png' twice" in message_of_archive(content, root)


@pytest.mark.parametrize("seed", range(20))
def test_a_damaged_archive_is_one_message(
    seed: int, archive: bytes, root: Path, tmp_path: Path
) -> None:
    damaged, draw = bytearray(archive), random.Random(seed)
    # The list of members, at the end, with its offsets.
    for _ in range(4):
        damaged[-draw.randrange(1, 300)] = draw.randrange(256)
    (tmp_path / "a.zip").write_bytes(damaged)
    try:
        fetch_archive((tmp_path / "a.zip").as_uri(), None, root)
    except DownloadError:
        assert_nothing_is_left(root)


def test_what_is_no_archive_is_told(root: Path) -> None:
    content = b"<html>Log in to the network first</html>"
    message = message_of_archive(content, root)
    assert message == "URL: can't be read as a zip archive (File is not a zip file)"
