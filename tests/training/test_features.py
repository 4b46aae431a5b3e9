"""Features that are computed once and shared change nothing, and keep to their limit."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from ablation.config import CacheConfig
from ablation.pictures import data
from ablation.training import features, learn
from ablation.training.cache import Cache
from ablation.training.examples import examples_of
from ablation.training.stored import Store
from tests.training.small import COMPUTE, built, small, trained


def files(folder: Path) -> set[str]:
    return {path.name for path in (folder / "features").glob("*.safetensors")}


def test_features_are_found_under_the_names_that_earlier_versions_gave_them() -> None:
    """A change of the key would compute all features of everybody's studies again."""
    config = small("transfer=frozen")
    _, _, examples, _ = built(config)
    assert isinstance(examples.inputs, features.Features)
    identity = {**examples.inputs._identity, "below": "d", "pictures": "p"}
    identity["arithmetic"] = ["torch.float32", "cpu", "2.0"]
    key = Store.key({**identity, "split": "train", "seed": 0, "epoch": 1})
    assert key == "9721969b2848a86ee516416cdb512bd6"


def test_features_of_a_folded_network_and_of_torch_s_own_layers_are_kept_apart(
    tmp_path: Path,
) -> None:
    """They agree within rounding, not to the last digit."""
    own = [f"cache.folder={tmp_path}", "transfer=frozen", "epochs=1"]
    trained(small(*own))
    folded = files(tmp_path)
    trained(small(*own, "cpu_kernels=false"))
    plain = files(tmp_path) - folded
    assert len(plain) == len(folded) == 2
    stored = [
        sorted((features_of(tmp_path / "features" / name) for name in names), key=len)
        for names in (folded, plain)
    ]
    for one, other in zip(*stored, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def features_of(path: Path) -> torch.Tensor:
    from safetensors.torch import load_file

    return load_file(path)["features"]


@pytest.mark.parametrize("mode", ["frozen", "partial"])
def test_with_and_without_shared_features_the_histories_agree(mode: str, tmp_path: Path) -> None:
    plain = small(f"transfer={mode}", "cache.features=false", "reg=elastic")
    cached = small(f"transfer={mode}", f"cache.folder={tmp_path}", "reg=elastic")
    _, _, computed, _ = trained(plain)
    _, _, first, _ = trained(cached)
    _, _, second, _ = trained(cached)  # reads what the first one wrote
    assert list((tmp_path / "features").glob("*.safetensors"))
    for other in (first, second):
        for a, b in zip(computed.history, other.history, strict=True):
            assert a["train/loss"] == pytest.approx(b["train/loss"], abs=1e-5)
            assert a["val/loss"] == pytest.approx(b["val/loss"], abs=1e-5)
            assert a["val/accuracy"] == b["val/accuracy"]
        assert (computed.probabilities.argmax(1) == other.probabilities.argmax(1)).all()
    assert [row["train/loss"] for row in first.history] == [
        row["train/loss"] for row in second.history
    ]


def test_features_are_shared_between_regularizers_and_not_between_seeds(tmp_path: Path) -> None:
    folder = tmp_path / "features"
    trained(small("transfer=frozen", f"cache.folder={tmp_path}", "reg=l1"))
    one = set(folder.glob("*.safetensors"))
    trained(small("transfer=frozen", f"cache.folder={tmp_path}", "reg=l2", "optimizer=sgd"))
    assert set(folder.glob("*.safetensors")) == one
    trained(small("transfer=frozen", f"cache.folder={tmp_path}", "seed=1"))
    # Two epochs of new training views; the validation features serve every seed.
    assert len(set(folder.glob("*.safetensors"))) == len(one) + 2 == 5


def test_what_a_run_knows_of_training_pictures_is_shared_where_the_trunk_is_frozen(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "features"
    known = []
    for overrides in (["reg=l1"], ["reg=l2", "optimizer=sgd", "seed=1"], ["cache.features=false"]):
        config = small("transfer=frozen", f"cache.folder={tmp_path}", *overrides)
        _, parts, result, _ = trained(config)
        before = set(folder.glob("*.safetensors"))
        pictures = data.load(config.data)
        examples = examples_of(parts, pictures, config, COMPUTE, Cache(1e9))
        known.append(learn.known(parts, examples, result, COMPUTE, Cache(1e9)))
        n_new = len(set(folder.glob("*.safetensors")) - before)
        assert n_new == (1 if overrides == ["reg=l1"] else 0)
    for other in known[1:]:
        np.testing.assert_allclose(other.training, known[0].training, atol=1e-3)
        np.testing.assert_allclose(other.validation, known[0].validation, atol=1e-3)


def test_a_training_on_features_that_are_too_many_for_memory_is_the_same(tmp_path: Path) -> None:
    histories = []
    for memory_gb in (2.0, 1e-6):
        folder = tmp_path / str(memory_gb)
        config = small("transfer=frozen", f"cache.folder={folder}", f"cache.memory_gb={memory_gb}")
        histories.append([row["val/loss"] for row in trained(config)[2].history])
        assert list(folder.glob("features/*.safetensors"))
    assert histories[0] == histories[1]


def test_features_beyond_the_limit_on_disk_are_not_kept(tmp_path: Path) -> None:
    limit = f"cache.features_gb={1e-7}"
    _, _, result, _ = trained(small("transfer=frozen", f"cache.folder={tmp_path}", limit))
    _, _, plain, _ = trained(small("transfer=frozen", "cache.features=false"))
    assert not list(tmp_path.glob("features/*"))
    assert result.best_val_accuracy == plain.best_val_accuracy


def test_the_feature_store_keeps_to_its_limit_and_drops_the_oldest(tmp_path: Path) -> None:
    store = Store(CacheConfig(folder=str(tmp_path), features_gb=10e-6))
    for index in range(5):
        store.write(f"key{index}", 1000, iter([torch.zeros(400), torch.zeros(600)]))
        os.utime(tmp_path / "features" / f"key{index}.safetensors", (index, index))
        if index == 1:
            assert store.read("key0") is not None  # used again, so key1 is now the oldest
    assert {path.stem for path in (tmp_path / "features").iterdir()} == {"key0", "key4"}


def test_a_damaged_feature_file_is_made_again(tmp_path: Path) -> None:
    store = Store(CacheConfig(folder=str(tmp_path)))
    store.write("key", 3, iter([torch.ones(3)]))
    (tmp_path / "features" / "key.safetensors").write_bytes(b"damaged")
    assert store.read("key") is None
    store.write("key", 3, iter([torch.ones(3)]))
    stored = store.read("key")
    assert stored is not None
    assert torch.equal(stored.all(), torch.ones(3))


def test_rows_of_a_stored_tensor_are_read_as_safetensors_reads_them(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    store = Store(CacheConfig(folder=str(tmp_path)))
    values = torch.randn(10, 3, 2, 2)
    stored = store.write("key", 10, iter(values.split(4)))
    assert stored is not None
    for path in (tmp_path / "features").iterdir():
        assert torch.equal(load_file(path)["features"], values)
        path.unlink()  # As another process does whose limit is passed.
    assert torch.equal(stored.rows(np.array([7, 0, 7])), values[[7, 0, 7]])
    assert torch.equal(stored.all(), values)


def test_nothing_is_left_of_features_that_were_cut_off(tmp_path: Path) -> None:
    def cut_off() -> Iterator[torch.Tensor]:
        yield torch.ones(2)
        raise KeyboardInterrupt

    store = Store(CacheConfig(folder=str(tmp_path)))
    with pytest.raises(KeyboardInterrupt):
        store.write("key", 4, cut_off())
    assert not list((tmp_path / "features").iterdir())
