"""A view depends on (seed, epoch, picture) and on nothing else."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ablation.config import ModelConfig
from ablation.pictures import data, views
from ablation.pictures.prefetch import Prefetcher
from ablation.pictures.split import Split
from tests.pictures.made_up import MakeFolder, views_config


def test_a_view_is_the_same_in_any_batch_and_any_order(split: Split) -> None:
    together = views.training_views(split, [4, 1, 7], 0, 1, views_config())
    alone = views.training_views(split, [7], 0, 1, views_config())
    assert torch.equal(together[2], alone[0])
    ahead = Prefetcher(n_threads=3)
    tasks = [lambda i=i: views.training_views(split, [i], 0, 1, views_config()) for i in (7, 4)]
    assert torch.equal(next(iter(ahead(tasks)))[0], alone[0])


def test_a_view_changes_with_the_seed_the_epoch_and_the_picture(split: Split) -> None:
    view = views.training_view(split, 0, 0, 1, views_config())
    assert torch.equal(view, views.training_view(split, 0, 0, 1, views_config()))
    for seed, epoch, index in ((1, 1, 0), (0, 2, 0), (0, 1, 1)):
        assert not torch.equal(view, views.training_view(split, index, seed, epoch, views_config()))


def test_a_view_follows_the_picture_and_not_its_place_in_the_folder(
    split: Split, make_folder: MakeFolder, tmp_path: Path
) -> None:
    root = tmp_path / "pictures"
    (root / "train" / "blue" / "000.png").unlink()
    data._described.cache_clear()
    fewer = data.load(views_config(root)).train
    assert fewer.names[0] == split.names[1]
    same = views.training_view(split, 1, 0, 1, views_config())
    assert torch.equal(views.training_view(fewer, 0, 0, 1, views_config()), same)


def test_crops_follow_the_law_of_random_resized_crop() -> None:
    draws = np.random.default_rng(0)
    boxes = [views.crop_box(300, 400, views_config(), draws) for _ in range(4000)]
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
    whole = views_config(crop_min=1.0, crop_aspect=1.0, flip=False)
    box = views.crop_box(50, 50, whole, np.random.default_rng(0))
    assert box == (0, 0, 50, 50)


def test_mirroring_happens_to_half_of_the_views_and_only_where_wanted(split: Split) -> None:
    plain = [views.training_view(split, 0, s, 1, views_config(flip=False)) for s in range(60)]
    flipped = [views.training_view(split, 0, s, 1, views_config(flip=True)) for s in range(60)]
    changed = [not torch.equal(a, b) for a, b in zip(plain, flipped, strict=True)]
    assert 15 < sum(changed) < 45
    for a, b in zip(plain, flipped, strict=True):
        assert torch.equal(a, b) or torch.equal(a.flip(-1), b)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_a_validation_view_is_what_torchvision_makes_of_it(
    interpolation: str, split: Split
) -> None:
    from ablation.compat import import_torchvision

    import_torchvision()
    from torchvision.transforms import v2

    pixels = torch.from_numpy(split.pixels(3).copy()).permute(2, 0, 1)
    mode = v2.InterpolationMode(interpolation)
    wanted = v2.Compose([v2.Resize(37, mode, antialias=True), v2.CenterCrop(32)])(pixels)
    view = views.validation_view(
        split, 3, views_config(val_crop=32 / 37, interpolation=interpolation)
    )
    assert (view.int() - wanted.int()).abs().max() <= 1


def test_normalised_views_have_the_mean_and_deviation_that_the_weights_expect() -> None:
    model = ModelConfig("timm", "x", "", mean=[0.5, 0.4, 0.3], std=[0.2, 0.25, 0.5])
    batch = torch.tensor([[[[255]], [[102]], [[0]]]], dtype=torch.uint8)
    torch.testing.assert_close(
        views.normalise(batch, model).flatten(), torch.tensor([2.5, 0.0, -0.6])
    )
