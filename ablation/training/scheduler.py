"""How the learning rate changes, as a share of where it starts.

A schedule of one's own is a function of a `Moment` and its arguments that returns this share; or it
is one of torch's, of which the framework makes a step after each epoch.
"""

import math
from dataclasses import dataclass
from typing import Any, Protocol

from torch import optim

from ablation import targets
from ablation.errors import ConfigError
from ablation.parts import Part
from ablation.targets import TARGET


@dataclass(frozen=True)
class Moment:
    """Where a training is, just before a step.

    Attributes:
        step: from 0, of all steps of the training.
        steps_per_epoch: how many steps make an epoch.
        epochs: of the whole training.
    """

    step: int
    steps_per_epoch: int
    epochs: int

    @property
    def epoch(self) -> int:
        """The number of epochs that are over: 0 in the first."""
        return self.step // self.steps_per_epoch

    @property
    def progress(self) -> float:
        """From 0 at the first step to 1 at the last."""
        return self.step / max(self.steps_per_epoch * self.epochs - 1, 1)

    def share_of(self, epochs: float) -> float:
        """Where so many epochs lie between the first step and the last: 0 to 1."""
        return min(epochs / self.epochs, 1.0)


def constant(at: Moment) -> float:
    """The learning rate stays."""
    return 1.0


def cosine(at: Moment, final: float) -> float:
    """Half a cosine, epoch by epoch, that would reach `final` after the last one.

    That of Loshchilov & Hutter 2017, *SGDR*, without restarts; torch's `CosineAnnealingLR`.
    """
    return final + (1 - final) * _falling(at.epoch / at.epochs)


def step(at: Moment, step_epochs: int, gamma: float) -> float:
    """A cut by `gamma` every `step_epochs` epochs; torch's `StepLR`."""
    return float(gamma ** (at.epoch // step_epochs))


def warmup_cosine(at: Moment, warmup_epochs: float, final: float) -> float:
    """A line from near 0 over `warmup_epochs`, then half a cosine to `final` at the last step.

    Goyal et al. 2017, *Accurate, Large Minibatch SGD*, for the rise.
    """
    rise = at.share_of(warmup_epochs)
    if at.progress < rise:
        return (at.step + 1) / (rise * at.steps_per_epoch * at.epochs + 1)
    return final + (1 - final) * _falling((at.progress - rise) / max(1 - rise, 1e-9))


def one_cycle(at: Moment, warmup_epochs: float, start: float, final: float) -> float:
    """From `start` up to 1 over `warmup_epochs`, then down to `final`, each along half a cosine.

    Smith & Topin 2018, *Super-Convergence*; torch's `OneCycleLR`, momentum aside.
    """
    n_steps = at.steps_per_epoch * at.epochs
    peak = max(at.share_of(warmup_epochs) * n_steps - 1, 1e-9)
    if at.step <= peak:
        return 1 + (start - 1) * _falling(at.step / peak)
    return final + (1 - final) * _falling((at.step - peak) / max(n_steps - 1 - peak, 1e-9))


def _falling(share: float) -> float:
    """Half a cosine from 1 at 0 to 0 at 1."""
    return (1 + math.cos(math.pi * min(share, 1.0))) / 2


class Schedule(Protocol):
    """Sets the learning rates of an optimizer."""

    def before(self, at: Moment) -> None:
        """Set them for the step at this moment."""

    def state(self) -> dict[str, Any]:
        """What it remembers of the steps before."""

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned."""


def schedule(part: Part, optimizer: optim.Optimizer) -> Schedule:
    """The schedule of an optimizer.

    Args:
        part: its target and arguments.
        optimizer: whose learning rates are where they start.

    Raises:
        ConfigError: the target can't be made, or is not a schedule.
    """
    target = targets.found(part[TARGET])
    if not targets.is_class(part[TARGET]):
        return _Shares(targets.made("scheduler", part), optimizer)
    is_torchs = issubclass(target, optim.lr_scheduler.LRScheduler)  # type: ignore[arg-type]
    if not is_torchs or issubclass(target, optim.lr_scheduler.ReduceLROnPlateau):  # type: ignore[arg-type]
        raise ConfigError(
            f"scheduler.{TARGET}: {part[TARGET]}: is neither a function of a moment nor one of "
            "torch's schedulers that need no results"
        )
    return _Torchs(targets.made("scheduler", part, optimizer))


class _Shares:
    def __init__(self, share: Any, optimizer: optim.Optimizer) -> None:
        self._share = share
        self._optimizer = optimizer
        self._start = [group["lr"] for group in optimizer.param_groups]

    def before(self, at: Moment) -> None:
        share = float(self._share(at))
        for group, start in zip(self._optimizer.param_groups, self._start, strict=True):
            group["lr"] = start * share

    def state(self) -> dict[str, Any]:
        return {}

    def load(self, state: dict[str, Any]) -> None:
        pass


class _Torchs:
    def __init__(self, scheduler: optim.lr_scheduler.LRScheduler) -> None:
        self._scheduler = scheduler

    def before(self, at: Moment) -> None:
        if at.step and at.step % at.steps_per_epoch == 0:
            self._scheduler.step()

    def state(self) -> dict[str, Any]:
        return dict(self._scheduler.state_dict())

    def load(self, state: dict[str, Any]) -> None:
        self._scheduler.load_state_dict(state)
