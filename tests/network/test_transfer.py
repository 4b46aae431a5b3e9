"""Frozen means frozen, and what is trained changes."""

from collections import OrderedDict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from ablation.config import TransferConfig
from ablation.errors import ConfigError
from ablation.network import model, transfer
from ablation.training.batches import consecutive
from ablation.training.trainer import Trainer
from tests.conftest import command
from tests.training.small import built, small, start_of, trained


def changed(network: nn.Module, start: nn.Module) -> set[str]:
    before, after = start.state_dict(), network.state_dict()
    return {name for name in before if not torch.equal(before[name], after[name])}


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


def test_partial_trains_the_norm_after_the_last_stage_with_it() -> None:
    config = small("model=timm", "model.name=convnext_atto", "transfer=partial")
    config = replace(config, transfer=replace(config.transfer, pretrained=False))
    trunk = start_of(config).trunk
    parts = transfer.apply(model.Network(trunk, model.Head(320, 2)), config.transfer)
    assert [name for name, _ in parts.above.named_children()] == ["stages3", "head"]


@pytest.mark.parametrize(
    ("words", "held"),
    [
        (["transfer=lpft", "transfer.head_epochs=1"], [9, 0, 0]),
        (["transfer=gradual"], [9, 8, 7]),
        (["transfer=gradual", "transfer.stage_epochs=2", "transfer.head_epochs=2"], [9, 9, 8]),
        (["transfer=partial", "transfer.head_epochs=1", "transfer.stages=2"], [2, 0, 0]),
    ],
)
def test_stages_are_trained_only_from_their_epoch_on(words: list[str], held: list[int]) -> None:
    config = small(*words, "epochs=3")
    _, parts, examples, compute = built(config)
    trainer = Trainer(parts, examples.train_labels, config, compute)
    names = [name for name, _ in parts.above[:-1].named_children() if name != "pool"]
    found = []
    for epoch in range(1, config.epochs + 1):
        before = {name: w.clone() for name, w in parts.above.state_dict().items()}
        batches = consecutive(np.arange(len(examples.train_labels)), config.batch_size)
        labels = [examples.train_labels[torch.from_numpy(batch)] for batch in batches]
        views = examples.inputs.training(epoch, batches)
        trainer.train(zip(views, labels, strict=True), len(batches))
        after = parts.above.state_dict()
        moved = {
            name.split(".")[0] for name in before if not torch.equal(before[name], after[name])
        }
        assert "head" in moved
        still = [name for name in names if name not in moved]
        assert still == names[: len(still)]
        found.append(len(still))
    assert found == held


def test_a_group_norm_behind_what_is_frozen_does_not_end_the_process() -> None:
    conv, norm = nn.Conv2d(3, 64, 3), nn.Sequential(nn.GroupNorm(32, 64), nn.Conv2d(64, 8, 1))
    end = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    trunk = nn.Sequential(OrderedDict(first=conv, second=norm, pool=end))
    network = model.Network(trunk, model.Head(8, 2)).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    parts = transfer.apply(network, TransferConfig(False, "stages"))
    parts.train()
    x = torch.randn(2, 3, 20, 20).contiguous(memory_format=torch.channels_last)
    # In torch 2.13 this would be a segmentation fault.
    parts.above(parts.below(x)).sum().backward()
    assert all(weight.grad is not None for weight in parts.trained())


def test_full_changes_every_weight() -> None:
    config = small("transfer=full", "epochs=1")
    network, _, _, _ = trained(config)
    weights = {name for name, _ in network.named_parameters()}
    assert weights <= changed(network, start_of(config))


def test_more_stages_than_there_are_is_refused() -> None:
    config = small("transfer=partial", "transfer.stages=9")
    with pytest.raises(ConfigError, match=r"transfer.stages=9: the trunk has 9 stages; at most 8"):
        transfer.apply(start_of(config), config.transfer)


def test_transfer_partial_of_a_network_without_stages_is_refused_before_anything_is_trained(
    tmp_path: Path,
) -> None:
    said = command(
        *("-m", "transfer=full,partial", "model.name=rexnet_100", "data.size=64"),
        *("transfer.pretrained=false", "data.train_pictures=20", "data.val_pictures=20"),
        cwd=tmp_path,
    )
    assert said.code == 1
    assert said.err.startswith("error: transfer=partial: the stages of this network are not known")
    assert "Traceback" not in said.err + said.out
    assert "epoch" not in said.out
