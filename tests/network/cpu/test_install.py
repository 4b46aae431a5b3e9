"""Fast layers are used where they help, can be switched off, and change results by rounding."""

import sys

import numpy as np
import pytest
import torch
from torch import nn

from ablation.network.cpu import fold, layers, same
from ablation.network.cpu.install import install
from ablation.pictures import data
from ablation.training import learn
from ablation.training.cache import Cache
from tests.training.small import built, small

#: Layers of this package, none of which may be in a network of plain torch layers.
OWN = (layers.Norm, layers.Widening, layers.Depthwise, same.Turned, fold.Clamped)


def kinds(network: nn.Module) -> set[type[nn.Module]]:
    return {kind for kind in OWN for part in network.modules() if type(part) is kind}


def test_a_part_with_convolutions_gets_fast_layers_and_a_head_alone_none() -> None:
    _, whole, _, _ = built(small("transfer=full"))
    assert install(whole.above, whole.below, 32)
    assert {layers.Norm, same.Turned} <= kinds(whole.above)
    _, frozen, _, _ = built(small("transfer=frozen"))
    assert not install(frozen.above, frozen.below, 32)
    assert kinds(frozen.above) == set()


def test_without_numba_torch_s_own_layers_train(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ablation.network.cpu.replace", None)
    _, whole, _, _ = built(small("transfer=full"))
    assert not install(whole.above, whole.below, 32)
    assert kinds(whole.above) == set()


@pytest.mark.parametrize("transfer", ["full", "partial", "frozen", "scratch"])
def test_switched_off_no_layer_of_this_package_is_used(
    transfer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[str] = []
    for kind in OWN:
        monkeypatch.setattr(kind, "__init__", lambda *_, name=kind.__name__: used.append(name))
    config = small(f"transfer={transfer}", "cpu_kernels=false", "cache.features=false", "epochs=1")
    learn.learn(config, data.load(config.data), Cache(1e9), lambda row: None)
    assert used == []


#: How far a loss, a probability and an accuracy of a short training may differ: measured
LOSS, PROBABILITY = 1e-3, 1e-2


@pytest.mark.parametrize("transfer", ["full", "frozen", "partial"])
def test_a_training_with_and_without_them_agrees_within_rounding(transfer: str) -> None:
    """With float32's rounding of single steps, which a training of the whole network amplifies."""
    found = []
    for cpu_kernels in ("true", "false"):
        config = small(f"transfer={transfer}", f"cpu_kernels={cpu_kernels}", "device=cpu")
        found.append(learn.learn(config, data.load(config.data), Cache(1e9), lambda row: None).fit)
    fast, plain = found
    for one, other in zip(fast.history, plain.history, strict=True):
        for name in ("train/loss", "val/loss", "train/penalty"):
            assert one[name] == pytest.approx(other[name], abs=LOSS, rel=LOSS), name
    assert np.abs(fast.probabilities - plain.probabilities).max() < PROBABILITY
    assert torch.get_num_threads() >= 1
