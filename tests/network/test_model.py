"""A network is built from a config and a seed, and from nothing else."""

import functools

import pytest
import torch

from ablation.config import ModelConfig
from ablation.network import model, weights
from ablation.network.stages import ModelError
from tests.network.made_up import LITE0, made_up_pictures


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


@pytest.mark.parametrize(
    ("library", "name", "size", "words"),
    [
        (
            "torchvision",
            "inception_v3",
            64,
            "data.size=64: inception_v3 can't be run .*data.size=299",
        ),
        ("timm", "vit_tiny_patch16_224", 64, "data.size=64: vit_tiny.*data.size=224"),
        ("torchvision", "vit_b_32", 64, "data.size=64: vit_b_32.*data.size=224"),
        ("torchvision", "squeezenet1_1", 224, "model.name=squeezenet1_1: its last layer is not"),
    ],
)
def test_a_network_that_cannot_be_run_at_a_size_says_which_it_takes(
    library: str, name: str, size: int, words: str
) -> None:
    with pytest.raises(ModelError, match=words):
        model.refuse_size(ModelConfig(library, name, ""), size)


def test_googlenet_trains_without_its_auxiliary_classifiers() -> None:
    network = model.build(ModelConfig("torchvision", "googlenet", ""), 3, pretrained=False, seed=0)
    assert network.train()(made_up_pictures(96, n=3)).shape == (3, 3)


def test_networks_that_share_a_trunk_get_a_new_one_once_it_was_changed() -> None:
    of = functools.partial(model.build, LITE0, 2, pretrained=True, is_shared=True)
    first, second = of(seed=0), of(seed=1)
    assert first.trunk is second.trunk
    assert not torch.equal(first.head.weight, second.head.weight)
    assert model.is_unchanged(LITE0, first.trunk.state_dict())
    with torch.no_grad():
        next(first.trunk.parameters()).add_(1e-3)
    assert not model.is_unchanged(LITE0, first.trunk.state_dict())
    third = of(seed=0)
    assert third.trunk is not first.trunk
    assert model.is_unchanged(LITE0, third.trunk.state_dict())
    assert model.digest(third.trunk.state_dict()) == third.start_digest
