"""Training views by level: functions of the seed, the epoch and the picture, whatever is done."""

import random
import threading

import numpy as np
import pytest
import torch

from ablation.config import DataConfig
from ablation.errors import ConfigError
from ablation.pictures import views
from ablation.pictures.augment import Augmentation
from ablation.study import grid
from tests.pictures.made_up import noisy

DATA = DataConfig(
    source="folder", size=40, val_crop=1.0, crop_min=0.3, interpolation="bilinear", flip=True
)
LEVELS = [
    "none",
    "crop",
    "crop_flip",
    "randaugment",
    "trivialaugment",
    "erasing",
    "mixup",
    "cutmix",
]


def level(name: str, *words: str) -> Augmentation:
    return Augmentation(
        grid.expand([f"augment={name}", *words], multirun=False).runs[0].config.augment
    )


def of(augment: Augmentation, indices: list[int], seed: int = 0, epoch: int = 1) -> torch.Tensor:
    return augment.views(noisy(12), indices, seed, epoch, DATA)


@pytest.mark.parametrize("name", LEVELS)
def test_a_view_follows_from_the_seed_the_epoch_and_the_picture_alone(name: str) -> None:
    augment = level(name)
    together = of(augment, [4, 1, 7])
    torch.manual_seed(12345)
    assert torch.equal(of(augment, [7])[0], together[2])
    # Generators that others draw from go on as if nothing had been drawn.
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    of(augment, [0, 1, 2])
    after = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    assert torch.equal(before[0], after[0])
    assert before[1:] == after[1:]
    if name != "none":
        assert not torch.equal(of(augment, [4], epoch=2), together[:1])
        assert not torch.equal(of(augment, [4], seed=1), together[:1])


@pytest.mark.parametrize("name", LEVELS[3:])
def test_what_a_level_does_is_seen_in_its_views(name: str) -> None:
    usual = of(level("crop_flip"), list(range(12)))
    changed = of(level(name), list(range(12)))
    assert not torch.equal(changed.float(), usual.float())


def test_the_usual_level_is_the_crop_as_it_was() -> None:
    wanted = views.training_views(noisy(12), [3, 5], 0, 1, DATA)
    assert torch.equal(of(level("crop_flip"), [3, 5]), wanted)


def test_without_a_crop_a_picture_is_seen_as_in_validation() -> None:
    wanted = views.validation_views(noisy(12), [3, 5], DATA)
    assert torch.equal(of(level("none"), [3, 5]), wanted)
    mirrored = [of(level("none", "augment.flip=true"), [3], seed)[0] for seed in range(20)]
    assert any(torch.equal(view, wanted[0].flip(-1)) for view in mirrored)
    assert any(torch.equal(view, wanted[0]) for view in mirrored)


def test_mixup_adds_two_views_and_the_classes_by_the_same_share() -> None:
    pictures, augment = noisy(12), level("mixup")
    mix = augment.mix(pictures, range(12), 0, 1)
    plain = views.training_views(pictures, range(12), 0, 1, DATA).float()
    mixed, found = of(augment, list(range(12))), augment.targets(pictures, 2, 0, 1)
    for at in range(12):
        share, other = mix.share[at], mix.partner[at]
        torch.testing.assert_close(
            mixed[at], plain[at] * share + plain[other] * (1 - share), rtol=1e-4, atol=1e-2
        )
        wanted = np.zeros(2)
        wanted[pictures.labels[at]] += share
        wanted[pictures.labels[other]] += 1 - share
        np.testing.assert_allclose(found[at], wanted, rtol=1e-5)


def test_cutmix_shows_as_much_of_the_partner_as_its_class_counts() -> None:
    pictures, augment = noisy(12), level("cutmix")
    mix = augment.mix(pictures, range(12), 0, 1)
    mixed = of(augment, list(range(12)))
    plain = views.training_views(pictures, range(12), 0, 1, DATA).float()
    for at in np.flatnonzero(mix.partner != np.arange(12)):
        is_own = (mixed[at] == plain[at]).all(0).float().mean()
        # A box of whole pixels, and by chance equal ones.
        assert float(is_own) == pytest.approx(mix.share[at], abs=0.08)
    assert 0.2 < mix.share.mean() < 0.8


def test_partners_are_any_pictures_and_shares_from_the_beta_distribution() -> None:
    pictures, augment = noisy(12), level("mixup", "augment.mixup=1")
    draws = [augment.mix(pictures, range(12), seed, 1) for seed in range(200)]
    partners = np.concatenate([mix.partner for mix in draws])
    assert np.bincount(partners, minlength=12).min() > 120
    shares = np.concatenate([mix.share for mix in draws])
    assert shares.mean() == pytest.approx(0.5, abs=0.03)
    assert shares.std() == pytest.approx(12**-0.5, abs=0.03)


def test_views_of_a_library_are_made_where_the_training_draws() -> None:
    assert not level("randaugment").is_safe_in_threads
    assert level("mixup").is_safe_in_threads
    found = []
    thread = threading.Thread(target=lambda: found.append(of(level("mixup"), [3])))
    thread.start()
    thread.join()
    assert torch.equal(found[0], of(level("mixup"), [3]))


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("torchvision.transforms.v2.Grayscale", "torch.uint8 \\(1, 40, 40\\)"),
        ("torch.nn.ReLU6", None),
        ("torch.det", "augment._target_: torch.det: "),
    ],
)
def test_what_makes_no_view_of_a_view_is_refused(target: str, words: str | None) -> None:
    augment = Augmentation({"_target_": target})
    if words is None:
        augment.refuse_unusable(40)
        return
    with pytest.raises(ConfigError, match=words):
        augment.refuse_unusable(40)
