"""Pictures that look alike in two splits are told, and others are not."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from ablation.pictures import data, near
from tests.pictures.made_up import folder_config


def scene(seed: int, size: tuple[int, int] = (200, 150)) -> Image.Image:
    """A picture with coarse and fine structure, as photographs have it."""
    draws = np.random.default_rng(seed)
    coarse = Image.fromarray(draws.integers(0, 255, (6, 8, 3), dtype=np.uint8))
    fine = Image.fromarray(draws.integers(0, 255, (40, 50, 3), dtype=np.uint8))
    method = Image.Resampling.BICUBIC
    return Image.blend(coarse.resize(size, method), fine.resize(size, method), 0.3)


def filled(root: Path, n: int = 12) -> Path:
    for at, (split, name) in enumerate((s, c) for s in ("train", "val") for c in ("a", "b")):
        folder = root / split / name
        folder.mkdir(parents=True)
        for number in range(n):
            scene(1000 * at + number).save(folder / f"{number}.png")
    return root


def test_copies_that_were_changed_are_found_across_splits(tmp_path: Path) -> None:
    root = filled(tmp_path)
    smaller = scene(3).resize((140, 105))
    ImageEnhance.Brightness(smaller).enhance(1.1).save(root / "val/a/again.jpg", quality=60)
    loaded = data.load(folder_config(root))
    (note,) = [note for note in loaded.notes if "looks like" in note]
    assert note.startswith("1 picture looks like one of train and is in val")
    assert "(such as val/a/again.jpg and train/a/3.png)" in note


def test_other_pictures_and_copies_of_the_same_pixels_are_not_told(tmp_path: Path) -> None:
    root = filled(tmp_path)
    scene(3).save(root / "val/a/again.bmp")
    notes = data.load(folder_config(root)).notes
    assert not [note for note in notes if "looks like" in note]
    assert [note for note in notes if "is in both train and val" in note]


@pytest.mark.parametrize(
    "pixels", [np.zeros((64, 64, 3)), np.random.default_rng(0).integers(0, 255, (8, 8, 3))]
)
def test_a_picture_with_too_little_to_see_looks_like_no_other(pixels: np.ndarray) -> None:  # type: ignore[type-arg]
    assert near.look(pixels.astype(np.uint8)) == near.NOTHING


def test_no_pair_that_is_alike_is_missed_and_the_nearest_is_told() -> None:
    draws = np.random.default_rng(0)
    ours = draws.integers(0, 2**63, (300, 2), dtype=np.uint64)
    ours[5], ours[7], ours[200] = 0, ours[3], ours[3]
    theirs = draws.integers(0, 2**63, (250, 2), dtype=np.uint64)
    for at in range(200):
        theirs[at] = ours[draws.integers(len(ours))]
        for column in (0, 1):
            for bit in draws.choice(64, draws.integers(0, 9), replace=False):
                theirs[at, column] ^= np.uint64(1) << np.uint64(bit)
    theirs[220] = 0
    far = np.bitwise_count(theirs[:, None] ^ ours[None]).max(2)
    far[:, ~ours.any(1)] = 255
    far[~theirs.any(1)] = 255
    wanted = [(int(of.argmin()), at) for at, of in enumerate(far) if of.min() <= near.MOST_BITS]
    assert len(wanted) > 100
    looks = [[(int(a), int(b)) for a, b in values] for values in (ours, theirs)]
    assert near.alike(*looks) == wanted
