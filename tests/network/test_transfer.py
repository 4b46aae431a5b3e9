"""Frozen means frozen, and what is trained changes."""

from pathlib import Path

import pytest
import torch
from torch import nn

from ablation.errors import ConfigError
from ablation.network import model, transfer
from tests.conftest import command
from tests.training.small import small, start_of, trained


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
        *("-m", "transfer=full,partial", "model.name=vit_tiny_patch16_224", "data.size=224"),
        *("transfer.pretrained=false", "data.train_pictures=20", "data.val_pictures=20"),
        cwd=tmp_path,
    )
    assert said.code == 1
    assert said.err.startswith("error: transfer=partial: the stages of this network are not known")
    assert "Traceback" not in said.err + said.out
    assert "epoch" not in said.out
