"""Runs of a few seconds, for tests that train."""

import contextlib
from collections.abc import Callable

import torch

from ablation import randomness
from ablation.config import Config
from ablation.network import device, model, preprocessing, transfer
from ablation.network.cpu.install import install
from ablation.network.device import Compute
from ablation.network.transfer import Parts
from ablation.pictures import data
from ablation.study import grid
from ablation.training.cache import Cache
from ablation.training.checkpoint import Checkpoint
from ablation.training.examples import Examples, examples_of
from ablation.training.fit import Epoch, Fit, fit

COMPUTE = Compute(torch.device("cpu"), torch.float32)


def small(*overrides: str) -> Config:
    """A run of a few seconds: 24 digits to train and 20 to validate, 32 px, 2 epochs."""
    few = ["data.train_pictures=24", "data.val_pictures=20", "data.size=32", "epochs=2"]
    asked = grid.expand([*few, "batch_size=8", *overrides], multirun=False).runs[0].config
    return preprocessing.filled(asked)


def built(config: Config) -> tuple[model.Network, Parts, Examples, Compute]:
    """The network of a run on the CPU, before it is trained, and what it is trained on."""
    device.prepare()
    compute = Compute(COMPUTE.device, COMPUTE.precision, config.cpu_kernels)
    pictures = data.load(config.data)
    network = start_of(config, len(pictures.classes))
    parts = transfer.apply(network, config.transfer)
    examples = examples_of(parts, pictures, config, compute, Cache(1e9))
    return network, parts, examples, compute


def start_of(config: Config, n_classes: int = 10) -> model.Network:
    """The network as it starts."""
    is_pretrained = config.transfer.pretrained
    return model.build(config.model, n_classes, pretrained=is_pretrained, seed=config.seed)


def trained(
    config: Config, *, has_fast_layers: bool = False
) -> tuple[model.Network, Parts, Fit, list[Epoch]]:
    """A trained network, and the rows that it was trained with, each as it was known."""
    network, parts, examples, compute = built(config)
    if has_fast_layers:
        assert config.data.size is not None
        install(parts.above, parts.below, config.data.size)
    rows: list[Epoch] = []
    with randomness.seeded(randomness.TRAINING, config.seed):
        return network, parts, fit(parts, examples, config, compute, rows.append), rows


class KilledError(Exception):
    """Ends a training between two epochs."""


def cut_off(config: Config, after: int, checkpoint: Checkpoint) -> Fit:
    """A training that ends after an epoch, and the same one that goes on, in another network."""

    def end(row: Epoch) -> None:
        # The state of the epoch before has been written, as when a process is killed.
        if row["epoch"] == after:
            raise KilledError

    with contextlib.suppress(KilledError):
        fitted(config, checkpoint, end)
    assert checkpoint.path.is_file()
    return fitted(config, checkpoint, lambda row: None)


def fitted(config: Config, checkpoint: Checkpoint, on_epoch: Callable[[Epoch], None]) -> Fit:
    """A training that goes on from its checkpoint, where there is one."""
    _, parts, examples, compute = built(config)
    with randomness.seeded(randomness.TRAINING, config.seed):
        return fit(parts, examples, config, compute, on_epoch, checkpoint)
