"""A view depends on (seed, epoch, picture) and on nothing else."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ablation import randomness
from ablation.config import DataConfig, ModelConfig
from ablation.pictures import data, views
from ablation.pictures.data import Split
from ablation.training import batches, inputs


@pytest.fixture
def split(make_folder: Callable[..., Path]) -> Split:
    return data.load(config(make_folder({"train": 6, "val": 2}))).train


def config(root: Path | str = "", **changes: object) -> DataConfig:
    usual = {"size": 32, "val_crop": 0.875, "interpolation": "bilinear"}
    return DataConfig(source="folder", root=str(root), **{**usual, **changes})  # type: ignore[arg-type]


def test_a_view_is_the_same_in_any_batch_and_any_order(split: Split) -> None:
    together = views.training_views(split, [4, 1, 7], 0, 1, config())
    alone = views.training_views(split, [7], 0, 1, config())
    assert torch.equal(together[2], alone[0])
    ahead = views.Ahead(n_threads=3)
    tasks = [lambda i=i: views.training_views(split, [i], 0, 1, config()) for i in (7, 4)]
    assert torch.equal(next(iter(ahead(tasks)))[0], alone[0])


def test_a_view_changes_with_the_seed_the_epoch_and_the_picture(split: Split) -> None:
    view = views.training_view(split, 0, 0, 1, config())
    assert torch.equal(view, views.training_view(split, 0, 0, 1, config()))
    for seed, epoch, index in ((1, 1, 0), (0, 2, 0), (0, 1, 1)):
        assert not torch.equal(view, views.training_view(split, index, seed, epoch, config()))


def test_a_view_follows_the_picture_and_not_its_place_in_the_folder(
    split: Split, make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    root = tmp_path / "pictures"
    (root / "train" / "blue" / "000.png").unlink()
    data._load.cache_clear()
    fewer = data.load(config(root)).train
    assert fewer.names[0] == split.names[1]
    same = views.training_view(split, 1, 0, 1, config())
    assert torch.equal(views.training_view(fewer, 0, 0, 1, config()), same)


def test_crops_follow_the_law_of_random_resized_crop() -> None:
    draws = np.random.default_rng(0)
    boxes = [views.crop_box(300, 400, config(), draws) for _ in range(4000)]
    tops, lefts, heights, widths = np.array(boxes).T
    assert (tops >= 0).all()
    assert (lefts >= 0).all()
    assert (tops + heights <= 300).all()
    assert (lefts + widths <= 400).all()
    share = heights * widths / (300 * 400)
    assert 0.07 < share.min() < 0.1
    assert share.max() > 0.95
    # Uniform in [0.08, 1] where every box fits; large crops of a slant fit less often.
    assert abs(np.median(share[share < 0.5]) - 0.29) < 0.03
    slant = np.log(widths / heights)
    assert np.abs(slant).max() < np.log(4 / 3) + 0.1
    assert abs(np.mean(slant[share < 0.5])) < 0.02


def test_a_whole_picture_crop_of_no_slant_is_the_picture_resized(split: Split) -> None:
    whole = config(crop_min=1.0, crop_aspect=1.0, flip=False)
    box = views.crop_box(50, 50, whole, np.random.default_rng(0))
    assert box == (0, 0, 50, 50)


def test_mirroring_happens_to_half_of_the_views_and_only_where_wanted(split: Split) -> None:
    plain = [views.training_view(split, 0, s, 1, config(flip=False)) for s in range(60)]
    flipped = [views.training_view(split, 0, s, 1, config(flip=True)) for s in range(60)]
    changed = [not torch.equal(a, b) for a, b in zip(plain, flipped, strict=True)]
    assert 15 < sum(changed) < 45
    for a, b in zip(plain, flipped, strict=True):
        assert torch.equal(a, b) or torch.equal(a.flip(-1), b)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_a_validation_view_is_what_torchvision_makes_of_it(
    interpolation: str, split: Split
) -> None:
    from ablation.network.compat import import_torchvision

    import_torchvision()
    from torchvision.transforms import v2

    pixels = torch.from_numpy(split.pixels(3).copy()).permute(2, 0, 1)
    mode = v2.InterpolationMode(interpolation)
    wanted = v2.Compose([v2.Resize(37, mode, antialias=True), v2.CenterCrop(32)])(pixels)
    view = views.validation_view(split, 3, config(val_crop=32 / 37, interpolation=interpolation))
    assert (view.int() - wanted.int()).abs().max() <= 1


def whole_then_cut(pixels: np.ndarray, settings: DataConfig) -> torch.Tensor:
    """The definition: the whole picture resized, then its centre cut out."""
    short = round(settings.size / settings.val_crop)
    scale = short / min(pixels.shape[:2])
    sides = [max(short, int(side * scale)) for side in pixels.shape[:2]]
    picture = torch.from_numpy(pixels).permute(2, 0, 1)[None]
    mode = settings.interpolation
    resized = torch.nn.functional.interpolate(picture, sides, mode=mode, antialias=True)[0]
    top, left = ((side - settings.size) // 2 for side in sides)
    return resized[:, top : top + settings.size, left : left + settings.size]


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("shape", [(375, 500), (500, 375), (31, 33), (200, 200), (60, 700)])
def test_the_centre_of_an_ordinary_picture_is_exactly_that_of_the_whole(
    shape: tuple[int, int], interpolation: str
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    for size, val_crop in ((32, 0.875), (96, 0.875), (64, 1.0)):
        settings = config(size=size, val_crop=val_crop, interpolation=interpolation)
        assert torch.equal(views.centre_view(pixels, settings), whole_then_cut(pixels, settings))


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize(
    "shape", [(1, 100), (100, 1), (20, 700), (301, 5), (40, 3000), (9000, 300)]
)
def test_the_centre_of_a_long_picture_is_that_of_the_whole_within_a_level(
    shape: tuple[int, int], interpolation: str
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    ramp = np.linspace(0, 255, noise.size).reshape(noise.shape).astype(np.uint8)
    for size, val_crop in ((32, 0.875), (96, 0.875), (64, 1.0)):
        settings = config(size=size, val_crop=val_crop, interpolation=interpolation)
        for pixels in (noise, ramp, 255 * (noise > 127).astype(np.uint8)):
            found, wanted = views.centre_view(pixels, settings), whole_then_cut(pixels, settings)
            assert found.shape == wanted.shape
            assert (found.int() - wanted.int()).abs().max() <= 1


def test_normalised_views_have_the_mean_and_deviation_that_the_weights_expect() -> None:
    model = ModelConfig("timm", "x", "", mean=[0.5, 0.4, 0.3], std=[0.2, 0.25, 0.5])
    batch = torch.tensor([[[[255]], [[102]], [[0]]]], dtype=torch.uint8)
    torch.testing.assert_close(
        views.normalise(batch, model).flatten(), torch.tensor([2.5, 0.0, -0.6])
    )


def test_the_order_of_pictures_is_a_permutation_that_changes_with_seed_and_epoch() -> None:
    order = randomness.order(50, 0, 1)
    assert sorted(order) == list(range(50))
    assert (order == randomness.order(50, 0, 1)).all()
    assert (order != randomness.order(50, 0, 2)).any()
    assert (order != randomness.order(50, 1, 1)).any()


@pytest.mark.parametrize(
    ("n", "size", "wanted"),
    [(10, 4, [4, 4, 2]), (9, 4, [4, 5]), (8, 4, [4, 4]), (3, 8, [3]), (1, 8, [1]), (3, 1, [1] * 3)],
)
def test_batches_are_full_but_the_last_which_is_never_a_single_picture(
    n: int, size: int, wanted: list[int]
) -> None:
    assert [len(batch) for batch in batches.consecutive(np.arange(n), size)] == wanted


@pytest.fixture
def photographs(tmp_path: Path) -> Split:
    """Of several sizes, larger and smaller than a view, with detail."""
    draws = np.random.default_rng(0)
    for index, (width, height) in enumerate([(90, 61), (40, 70), (20, 24), (64, 64), (33, 120)]):
        pixels = draws.integers(0, 256, (height // 4 + 1, width // 4 + 1, 3), dtype=np.uint8)
        picture = Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC)
        for name in ("train/a", "train/b", "val/a", "val/b"):
            (tmp_path / name).mkdir(parents=True, exist_ok=True)
            picture.rotate(90 if name[-1] == "b" else 0).save(tmp_path / name / f"{index}.png")
    return data.load(config(tmp_path, size=32)).train


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_views_made_on_a_device_are_those_of_the_cpu(
    interpolation: str, photographs: Split
) -> None:
    settings, indices = config(interpolation=interpolation), list(range(len(photographs)))
    pictures = views.padded(photographs)
    mirrored = []
    for epoch in range(1, 9):
        draws = views.training_draws(photographs, indices, 0, epoch, settings)
        mirrored += draws[:, 4].tolist()
        made = views.resampled(pictures, draws, 32, interpolation)
        wanted = views.training_views(photographs, indices, 0, epoch, settings)
        assert made.dtype == wanted.dtype
        assert made.is_contiguous(memory_format=torch.channels_last)
        off = (made.int() - wanted.int()).abs()
        # The CPU computes in whole numbers.
        assert off.max() <= 2
        assert off.float().mean() < 0.1
    assert set(mirrored) == {0, 1}


def test_resident_pictures_give_the_batches_that_were_asked_for(photographs: Split) -> None:
    pictures = data.Pictures(("a", "b"), photographs, photographs, None, ())
    network = ModelConfig("none", "none", "", mean=(0.5,) * 3, std=(0.25,) * 3)
    batches = [np.array([3, 1, 7]), np.array([0])]
    made = []
    for are_resident in (False, True):
        fed = inputs.Views(pictures, config(), network, 0, torch.device("cpu"), are_resident)
        made.append(list(fed.training(2, batches)))
    for wanted, got in zip(*made, strict=True):
        assert torch.allclose(got, wanted, atol=2.1 / 255 / 0.25)


def test_views_made_on_a_device_are_not_waited_for() -> None:
    """Tensors of shape alone refuse to be read, and to be mixed with others."""
    pictures = torch.empty(4, 50, 60, 3, dtype=torch.uint8, device="meta")
    draws = torch.empty(4, 5, dtype=torch.int64, device="meta")
    made = views.resampled(pictures, draws, 32, "bicubic")
    assert made.device.type == "meta"
    assert made.shape == (4, 3, 32, 32)
