"""What a transfer mode freezes, and a digest that proves that it did not change.

The network is cut in two. The part below is frozen and in evaluation mode, so that its output
depends on the view alone; the part above is trained.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from ablation.config import TransferConfig
from ablation.errors import ConfigError
from ablation.network.model import Network, digest


@dataclass
class Parts:
    """A network cut where training starts.

    Attributes:
        below: frozen, its output a function of the view alone; empty if all is above.
        above: what a training step computes, from the output of `below` to the logits.
        moving: the modules in `above` whose weights are frozen while their BatchNorm statistics
            are updated (`freeze_statistics=false`).
    """

    below: nn.Sequential
    above: nn.Sequential
    moving: tuple[nn.Module, ...]

    def train(self) -> None:
        """Set the part above to training mode. The part below stays in evaluation mode."""
        self.below.eval()
        self.above.train()

    def eval(self) -> None:
        """Set both parts to evaluation mode."""
        self.below.eval()
        self.above.eval()

    def trained(self) -> list[nn.Parameter]:
        """The weights that are trained."""
        return [weight for weight in self.above.parameters() if weight.requires_grad]

    def frozen_digest(self) -> str:
        """Identifies all frozen weights, and all buffers that must not change.

        Returns:
            16 hexadecimal digits.
        """
        state: dict[str, Tensor] = dict(self.below.state_dict())
        for index, module in enumerate(self.moving):
            state.update({f"{index}.{name}": w.data for name, w in module.named_parameters()})
        return digest(state)


def apply(network: Network, config: TransferConfig) -> Parts:
    """Freeze what the transfer mode freezes, in place, and cut the network where training starts.

    Args:
        network: whose stages and head become the two parts.
        config: the transfer mode.

    Raises:
        ConfigError: the mode trains more stages than the trunk has.
    """
    refuse_stages(network.trunk, config)
    stages = dict(network.trunk.named_children())
    n_frozen = _n_frozen(list(stages.values()), config)
    frozen = list(stages.items())[:n_frozen]
    rest = list(stages.items())[n_frozen:]
    for _, stage in frozen:
        stage.requires_grad_(False)
    is_moving = bool(frozen) and not config.freeze_statistics
    below, above = nn.Sequential(), nn.Sequential()
    for name, stage in frozen:
        (above if is_moving else below).add_module(name, stage)
    for name, stage in rest:
        above.add_module(name, stage)
    above.add_module("head", network.head)
    return Parts(below, above, tuple(stage for _, stage in frozen) if is_moving else ())


def refuse_stages(trunk: nn.Sequential, config: TransferConfig) -> None:
    """Check that a transfer mode is possible with a network, before anything is trained.

    Args:
        trunk: the network's stages.
        config: the transfer mode.

    Raises:
        ConfigError: the mode trains so many stages that none would be left to freeze.
    """
    n_stages = sum(_has_weights(stage) for stage in trunk)
    if config.trained != "stages" or config.stages < n_stages:
        return
    if n_stages == 1:
        raise ConfigError(
            "transfer=partial: the stages of this network are not known, so it can't be trained in "
            "part; choose transfer=full or transfer=frozen, or another model"
        )
    raise ConfigError(
        f"transfer.stages={config.stages}: the trunk has {n_stages} stages; at most "
        f"{n_stages - 1} can be trained with some frozen (transfer=full trains all)"
    )


def _n_frozen(stages: list[nn.Module], config: TransferConfig) -> int:
    """How many stages are frozen, counted from the first."""
    if config.trained == "all":
        return 0
    if config.trained == "head":
        return len(stages)
    with_weights = [index for index, stage in enumerate(stages) if _has_weights(stage)]
    return with_weights[-config.stages]


def _has_weights(stage: nn.Module) -> bool:
    return any(True for _ in stage.parameters())
