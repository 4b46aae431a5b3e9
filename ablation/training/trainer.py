"""A network in training, with everything that a step needs; one step, and one pass."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ablation import randomness
from ablation.config import Config
from ablation.network.device import Compute
from ablation.network.transfer import Parts
from ablation.training import linear, regularizer
from ablation.training import loss as losses
from ablation.training.optimizer import Optimizer, trained
from ablation.training.regularizer import ElasticNet
from ablation.training.scheduler import Moment, schedule


class Trainer:
    """A network in training, with everything that a step needs.

    Attributes:
        parts: the network, which is trained.
        evaluated: what is validated and kept: the network itself, or its moving average.
        weights: that are trained, by name.
        head: where a step needs no graph, see `linear`.
        n_steps: training steps so far.
    """

    def __init__(self, parts: Parts, labels: Tensor, config: Config, compute: Compute) -> None:
        """
        Args:
            parts: the network, cut where training starts, on `compute.device`.
            labels: of all training pictures, class indices, shape (n,).
            config: of the run.
            compute: the device and the arithmetic.

        Raises:
            ConfigError: a part of the config can't be made, or is not what it should be.
        """
        self.parts, self.config, self.compute = parts, config, compute
        self.weights = trained(parts.above)
        n_classes = int(parts.above[-1].out_features)  # type: ignore[arg-type]
        self._loss = losses.loss(config.loss, labels, n_classes)
        self.penalty = regularizer.regularizer(config.reg, self.weights)
        self._is_in_loss = self.penalty is not None and not isinstance(self.penalty, ElasticNet)
        self.optimizer = Optimizer(parts.above, config.optimizer, self.penalty)
        self._schedule = schedule(config.scheduler, self.optimizer.torchs)
        self.head = None if self._is_in_loss else linear.lone_head(parts.above, self._loss, compute)
        self._average = _moving_average(parts, self.optimizer.shared.ema)
        self.evaluated = replace(parts, above=self._average.module) if self._average else parts
        self.n_steps = 0

    @property
    def lr(self) -> float:
        """The head's learning rate."""
        return float(self.optimizer.torchs.param_groups[-1]["lr"])

    def train(self, batches: Iterable[tuple[Tensor, Tensor]], n: int) -> tuple[Tensor, Tensor]:
        """One pass over the training pictures.

        Args:
            batches: inputs of the part above and their labels.
            n: how many batches there are.

        Returns:
            The sum of the losses over the pictures, and how many were classified correctly, each
            as it was seen; both as tensors without dimensions.
        """
        self.parts.train(self.n_steps // n + 1)
        loss_sum = torch.zeros((), device=self.compute.device)
        n_right = torch.zeros((), device=self.compute.device)
        for x, labels in batches:
            loss, logits = self._gradients(x, labels)
            self.step(n)
            # The sums stay on the device: reading them here would wait for each step. A loss that
            # is not finite in one step makes the sum not finite.
            loss_sum += loss * len(labels)
            classes = labels if labels.ndim == 1 else labels.argmax(1)
            n_right += (logits.argmax(1) == classes).sum()
        return loss_sum, n_right

    def step(self, n: int) -> None:
        """Make a step with the gradients that the weights have.

        Args:
            n: steps of an epoch.
        """
        self._schedule.before(Moment(self.n_steps, n, self.config.epochs))
        self.optimizer.step()
        if self._average:
            self._average.update(self.parts.above)
        self.n_steps += 1

    def _gradients(self, x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Set the gradients: the mean loss of the batch without the penalty, and its logits."""
        if self.head is not None and labels.ndim == 1:
            return linear.step(self.head, x, labels)
        return self._by_autograd(x, labels)

    def _by_autograd(self, x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        with self.compute.autocast():
            logits = self.parts.above(x)
        loss = self._loss(logits.float(), labels)
        whole = loss + self.penalty(self.weights) if self._is_in_loss else loss
        self.optimizer.torchs.zero_grad(set_to_none=True)
        whole.backward()
        return loss.detach(), logits.detach()

    def state(self) -> dict[str, Any]:
        """All that the steps to come depend on, beside the config: tensors and plain values."""
        return {
            "above": self.parts.above.state_dict(),
            "optimizer": self.optimizer.torchs.state_dict(),
            "applied": self.optimizer.applied,
            "schedule": self._schedule.state(),
            "average": self._average.state_dict() if self._average else {},
            "own": {name: one.state_dict() for name, one in self._with_state().items()},
            "n_steps": self.n_steps,
            "draws": randomness.state(),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned after some epoch."""
        self.parts.above.load_state_dict(state["above"])
        self.optimizer.torchs.load_state_dict(state["optimizer"])
        self.optimizer.applied = state["applied"]
        self._schedule.load(state["schedule"])
        if self._average:
            self._average.load_state_dict(state["average"])
        for name, one in self._with_state().items():
            one.load_state_dict(state["own"][name])
        self.n_steps = state["n_steps"]
        randomness.restore(state["draws"])

    def _with_state(self) -> dict[str, Any]:
        """The loss and the penalty, where they are modules or the like and have a state."""
        parts = {"loss": self._loss, "penalty": self.penalty}
        return {name: part for name, part in parts.items() if hasattr(part, "state_dict")}

    @torch.no_grad()
    def penalty_value(self) -> float:
        """Of the weights as they are; 0 without a regularizer."""
        return 0.0 if self.penalty is None else float(self.penalty(self.weights))

    def applied(self) -> dict[str, float]:
        """What was applied, as measured: the strengths of L1 and L2 at the first step, and the
        length of the gradient that another penalty has at the end."""
        if not self._is_in_loss:
            return self.optimizer.applied
        length = regularizer.gradient_norm(self.penalty, self.weights)
        return {**self.optimizer.applied, "penalty": length}


def _moving_average(parts: Parts, memory: float | None) -> Any:
    if memory is None:
        return None
    from timm.utils.model_ema import ModelEmaV3

    return ModelEmaV3(parts.above, decay=memory)
