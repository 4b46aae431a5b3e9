"""What a transfer mode freezes, and a digest that proves that it did not change.

The network is cut in two. The part below is frozen and in evaluation mode, so that its output
depends on the view alone; the part above is trained.
"""

import functools
from dataclasses import dataclass, field

import torch
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
        config: the transfer mode.
        known_digest: what `frozen_digest` would return at the start, where that is known.
    """

    below: nn.Sequential
    above: nn.Sequential
    moving: tuple[nn.Module, ...]
    config: TransferConfig = field(default_factory=TransferConfig)
    known_digest: str | None = None

    @functools.cached_property
    def start_digest(self) -> str:
        """The `frozen_digest` at the start; it is to be asked for before the training."""
        return self.known_digest or self.frozen_digest()

    def train(self, epoch: int | None = None) -> None:
        """Set the part above to training mode. The part below stays in evaluation mode.

        Args:
            epoch: from 1; the stages that are not trained yet in this epoch are held as frozen ones
                are. None trains all.
        """
        self._hold_below()
        self.above.train()
        if epoch is None or not self.config.head_epochs:
            return
        stages = [
            stage
            for stage in list(self.above)[:-1]
            if _has_weights(stage) and stage not in self.moving
        ]
        n_held = n_held_stages(len(stages), self.config, epoch)
        for at, stage in enumerate(stages):
            stage.requires_grad_(at >= n_held)
            if at < n_held and self.config.freeze_statistics:
                stage.eval()

    def eval(self) -> None:
        """Set both parts to evaluation mode."""
        self._hold_below()
        self.above.eval()

    def _hold_below(self) -> None:
        # To go through all its layers takes as long as an epoch of a head.
        if self.below.training:
            self.below.eval()

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
    _guard_group_norms(above)
    moving = tuple(stage for _, stage in frozen) if is_moving else ()
    known = None if rest or is_moving else network.start_digest or None
    return Parts(below, above, moving, config, known)


def in_words(name: str, trunk: nn.Sequential, config: TransferConfig) -> str | None:
    """A line for the start of a command: which stages a network has, and which are trained.

    Args:
        name: of the network.
        trunk: its stages.
        config: the transfer mode.

    Returns:
        None where stages make no difference.
    """
    if config.trained != "stages" and not config.stage_epochs:
        return None
    stages = [(one, part) for one, part in trunk.named_children() if _has_weights(part)]
    names = ", ".join(one for one, _ in stages)
    if config.trained != "stages":
        return f"{name}: stages {names}; trained from the last on"
    trained = ", ".join(one for one, _ in stages[-config.stages :])
    return f"{name}: stages {names}; trained: {trained}, head"


def _guard_group_norms(above: nn.Sequential) -> None:
    """Keep torch from crashing: on a CPU (torch 2.13) the gradient of a GroupNorm whose input is in
    channels last and needs none itself ends the process. The first trained layer may be such a one.
    """
    for module in above.modules():
        if isinstance(module, nn.GroupNorm):
            module.register_forward_pre_hook(_with_gradient)


def _with_gradient(module: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    x, *rest = given
    if torch.is_grad_enabled() and x.device.type == "cpu" and not x.requires_grad:
        return (x.detach().requires_grad_(), *rest)
    return given


def n_held_stages(n_stages: int, config: TransferConfig, epoch: int) -> int:
    """How many stages, counted from the first, are not trained yet.

    Args:
        n_stages: that are trained in the end.
        config: the transfer mode.
        epoch: from 1.
    """
    if epoch <= config.head_epochs:
        return n_stages
    if not config.stage_epochs:
        return 0
    n_trained = 1 + (epoch - config.head_epochs - 1) // config.stage_epochs
    return max(n_stages - n_trained, 0)


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
