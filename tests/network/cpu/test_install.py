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
from ablation.training.fit import Fit
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


def difference(one: Fit, other: Fit) -> float:
    """The largest difference of two trainings in a loss or a probability."""
    losses = [
        abs(row[name] - row_of_other[name])
        for row, row_of_other in zip(one.history, other.history, strict=True)
        for name in ("train/loss", "val/loss")
    ]
    return max(*losses, float(np.abs(one.probabilities - other.probabilities).max()))


def learnt(*overrides: str) -> Fit:
    config = small("device=cpu", "cache.features=false", *overrides)
    torch.set_num_threads(config.threads or torch.get_num_threads())
    return learn.learn(config, data.load(config.data), Cache(1e9), lambda row: None).fit


@pytest.mark.parametrize("transfer", ["frozen", "partial"])
def test_a_training_with_and_without_them_agrees_within_rounding(transfer: str) -> None:
    """Measured: 5e-7 for frozen, 2e-6 for partial."""
    fast, plain = (learnt(f"transfer={transfer}", f"cpu_kernels={on}") for on in ("true", "false"))
    assert difference(fast, plain) < 2e-5
    assert fast.best_epoch == plain.best_epoch


def test_a_first_step_with_and_without_them_agrees_within_rounding() -> None:
    """Measured: 7e-7 of the loss, at 64 px."""
    one_step = ("transfer=full", "epochs=1", "batch_size=24", "data.size=64")
    fast, plain = (learnt(*one_step, f"cpu_kernels={on}").history for on in ("true", "false"))
    assert fast[0]["train/loss"] == pytest.approx(plain[0]["train/loss"], rel=1e-5)


def test_a_full_training_differs_by_no_more_than_with_another_number_of_threads() -> None:
    """The steps of a whole network amplify any rounding, that of torch's own layers too.

    Measured: 4e-2 with and without these layers, 3e-2 between one and two threads of torch's own.
    """
    n_before = torch.get_num_threads()
    full = ("transfer=full", "cpu_kernels=false")
    plain = learnt(*full, "threads=2")
    other_threads = learnt(*full, "threads=1")
    fast = learnt("transfer=full", "threads=2")
    torch.set_num_threads(n_before)
    assert difference(fast, plain) < 5 * max(difference(other_threads, plain), 1e-3)
