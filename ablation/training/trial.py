"""One step with parts that do not come with the project, before any run is trained."""

import copy
from collections.abc import Sequence

import torch

from ablation import parts as schema
from ablation import randomness
from ablation.config import Config, chosen
from ablation.errors import ConfigError, brief
from ablation.network import model, transfer
from ablation.network.device import Compute
from ablation.pictures.augment import Augmentation
from ablation.targets import TARGET
from ablation.training.trainer import Trainer


def refuse_unusable(configs: Sequence[Config], n_classes: int) -> None:
    """Make a step of training on made-up views with each combination of parts of a person's own.

    Args:
        configs: of the runs, with nothing left open, see `preprocessing.filled`.
        n_classes: of the pictures.

    Raises:
        ConfigError: naming the part that failed, and how.
    """
    own = {repr(_named(config)): config for config in configs if _named(config)}
    for config in own.values():
        _try(config, n_classes)


def _named(config: Config) -> dict[str, schema.Part]:
    """The parts whose arguments the schema does not know, and the network that they work on."""
    found = {group: getattr(config, group) for group in schema.GROUPS}
    own = {
        group: part
        for group, part in found.items()
        if part[TARGET] is not None and not _is_known(group, part)
    }
    return {**own, "model": vars(config.model)} if own else {}


def _is_known(group: str, part: schema.Part) -> bool:
    known = {TARGET, *schema.SHIPPED.get(part[TARGET], ()), *schema.COMMON.get(group, ())}
    return part[TARGET] in schema.SHIPPED and set(part) <= known


def _try(config: Config, n_classes: int) -> None:
    Augmentation(config.augment).refuse_unusable(chosen(config.data.size))
    trunk = copy.deepcopy(model.skeleton(config.model)).requires_grad_(True)
    size = chosen(config.data.size)
    compute = Compute(torch.device("cpu"), torch.float32)
    # Two pictures, as a BatchNorm asks for.
    views, labels = torch.rand(2, 3, size, size), torch.arange(2) % n_classes
    with randomness.seeded(randomness.TRAINING, config.seed):
        trunk.eval()
        with torch.no_grad():
            n_features = trunk(views).shape[1]
        network = model.Network(trunk, model.Head(n_features, n_classes))
        parts = transfer.apply(network, config.transfer)
        if len(parts.below):
            with torch.no_grad():
                views = parts.below.eval()(views)
        trainer = Trainer(parts, labels, config, compute)
        _step(trainer, views, labels)


def _step(trainer: Trainer, views: torch.Tensor, labels: torch.Tensor) -> None:
    try:
        trainer.train([(views, labels)], 1)
        trainer.penalty_value()
        trainer.applied()
    # Whatever a person's own code raises. A batch of two may be too few for the network itself.
    except Exception as error:
        named = {group: getattr(trainer.config, group)[TARGET] for group in schema.GROUPS}
        own = [f"{group}={one}" for group, one in named.items() if one not in schema.SHIPPED]
        raise ConfigError(
            f"a trial step failed with {', '.join(one for one in own if one)}: {brief(error)}"
        ) from error
