"""How far a picture is from what was trained on: right distances, and alarms as rare as stated."""

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from ablation.training import novelty


def unit(features: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    return features / np.linalg.norm(features, axis=1, keepdims=True)


def test_distances_are_those_of_normalised_features_to_the_nearest() -> None:
    rng = np.random.default_rng(0)
    training, others = unit(rng.normal(size=(30, 50))), rng.normal(size=(20, 50)) * 100
    wanted = cdist(unit(others), training).min(1)
    np.testing.assert_allclose(novelty.distances(others, training), wanted, atol=1e-7)
    # How strong a feature map is makes no difference, and a picture is nothing away from itself.
    np.testing.assert_allclose(novelty.distances(others / 7, training), wanted, atol=1e-7)
    np.testing.assert_allclose(novelty.distances(training * 3, training), 0, atol=1e-7)


def test_what_is_kept_survives_its_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    features = [rng.normal(size=(n, 64)).astype(np.float32) for n in (40, 60, 9)]
    kept = novelty.known(features[0], features[1])
    kept.save(tmp_path / novelty.FILE)
    # Half a float each: 128 pictures of 1,280 features take 330 kB.
    assert (tmp_path / novelty.FILE).stat().st_size < 40 * 64 * 2 + 60 * 4 + 500
    read = novelty.Known.read(tmp_path / novelty.FILE)
    wanted = kept.share_nearer(features[2])
    np.testing.assert_array_equal(read.share_nearer(features[2]), wanted)
    exact = cdist(unit(features[2]), unit(features[0])).min(1)
    of_val = cdist(unit(features[1]), unit(features[0])).min(1)
    np.testing.assert_allclose(wanted, (of_val < exact[:, None]).mean(1), atol=1 / 60)


def test_alarms_are_as_rare_as_stated_and_strangers_are_found() -> None:
    rng = np.random.default_rng(2)
    centres = rng.normal(size=(5, 40))

    def draw(n: int) -> np.ndarray:  # type: ignore[type-arg]
        return centres[rng.integers(0, 5, n)] + 0.5 * rng.normal(size=(n, 40))

    shares = []
    for _ in range(40):
        kept = novelty.known(draw(128), draw(500))
        shares.append(kept.share_nearer(draw(500)))
    alarms = (np.concatenate(shares) >= novelty.FAR).mean()
    assert 0.005 < alarms < 0.015
    strangers = kept.share_nearer(rng.normal(size=(200, 40)))
    assert (strangers >= novelty.FAR).mean() > 0.9


def test_a_network_that_gives_zeros_tells_no_picture_from_another() -> None:
    kept = novelty.known(np.zeros((4, 8), np.float32), np.zeros((6, 8), np.float32))
    assert kept.share_nearer(np.zeros((2, 8), np.float32)).tolist() == [0, 0]
    assert not kept.is_of_use


@pytest.mark.parametrize("counts", [[90, 10], [300, 100, 5, 1], [1] * 200, [3, 3], [0, 500, 20]])
def test_the_sample_holds_each_class_by_its_share(counts: list[int]) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    chosen = novelty.sample(labels)
    assert len(chosen) == len(set(chosen.tolist())) == min(novelty.MOST_TRAINING, len(labels))
    assert (np.diff(chosen) > 0).all()
    share = len(chosen) / len(labels)
    for label, count in enumerate(counts):
        n = int((labels[chosen] == label).sum())
        if len([c for c in counts if c]) <= novelty.MOST_TRAINING:
            assert n >= min(count, 1)
            assert abs(n - count * share) <= 2
    assert (novelty.sample(labels) == chosen).all()
