"""The optimizer of the trained weights, with what is the same for every optimizer.

L2 is its weight decay where it has one. Beside an optimizer's own arguments a level may have those
of `Shared`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn

from ablation import targets
from ablation.errors import ConfigError
from ablation.parts import COMMON, Part
from ablation.targets import TARGET
from ablation.training import regularizer
from ablation.training.regularizer import ElasticNet, Weights

#: torch's optimizers that have one kernel for all weights.
_FUSED = ("torch.optim.SGD", "torch.optim.Adam", "torch.optim.AdamW")


@dataclass(frozen=True)
class Shared:
    """What a level of any optimizer may set.

    Attributes:
        trunk_lr_scale: the trunk's learning rates, as a share of the head's.
        layer_decay: each stage's learning rate, as a share of that of the stage after it (Clark et
            al. 2020, *ELECTRA*; by stages here).
        decay: what L2 decays: all trained weights, or those with two dimensions and more alone, so
            neither norms nor biases (He et al. 2019, *Bag of Tricks*).
        clip: the longest that the gradient of all weights together may be; None for no limit.
        ema: memory of a moving average of the weights, which is evaluated and kept in their place;
            None without one.
    """

    trunk_lr_scale: float = 1.0
    layer_decay: float = 1.0
    decay: str = "all"
    clip: float | None = None
    ema: float | None = None

    @classmethod
    def of(cls, part: Part) -> "Shared":
        """Those of a config's part."""
        return cls(**{item.name: part[item.name] for item in fields(cls) if item.name in part})


class Optimizer:
    """An optimizer with the penalties that are added to gradients, not to the loss.

    Attributes:
        torchs: torch's optimizer, or another with its interface.
        applied: the strengths l1 and l2 as measured at the first step; empty before.
    """

    def __init__(self, above: nn.Sequential, part: Part, penalty: Any) -> None:
        """
        Args:
            above: the stages and the head, of which what requires a gradient is trained.
            part: the optimizer's target and arguments.
            penalty: the run's regularizer; what it is to add to the loss is not added here.

        Raises:
            ConfigError: the optimizer can't be made of these arguments.
        """
        self.shared = Shared.of(part)
        fast = penalty if isinstance(penalty, ElasticNet) else ElasticNet()
        self._l1, self._l2 = fast.l1, 0.0
        settings: dict[str, Any] = {}
        target, own = part[TARGET], {k: v for k, v in part.items() if k not in COMMON["optimizer"]}
        self._decays_itself = bool(own.get("weight_decay"))
        if _takes(target, "weight_decay"):
            settings["weight_decay"] = _decay(fast.l2, own)
        else:
            self._l2 = fast.l2
        if target in _FUSED and not {"fused", "foreach", "capturable", "differentiable"} & set(own):
            own["fused"] = True
        groups = _groups(above, self.shared, settings)
        self._weights: list[Tensor] = [weight for group in groups for weight in group["params"]]
        scales = [group.pop("lr_scale") for group in groups]
        self.torchs: torch.optim.Optimizer = targets.made("optimizer", own, groups)
        for group, scale in zip(self.torchs.param_groups, scales, strict=True):
            group["lr"] *= scale
        self.applied: dict[str, float] = {}

    def step(self) -> None:
        """Add the penalties to the gradients, and make a step."""
        if not self.applied:
            decays = (group.get("weight_decay", 0.0) for group in self.torchs.param_groups)
            self.applied["l1"] = regularizer.measured_l1(self._weights, self._l1)
            self.applied["l2"] = 0.0 if self._decays_itself else max(self._l2, *decays)
        else:
            regularizer.add_l1_gradient(self._weights, self._l1)
        if self._l2:
            _add_l2_gradient(self._weights, self._l2)
        if self.shared.clip is not None:
            nn.utils.clip_grad_norm_(self._weights, self.shared.clip)
        self.torchs.step()


def trained(above: nn.Sequential) -> Weights:
    """The weights that are trained by their names."""
    return {name: weight for name, weight in above.named_parameters() if weight.requires_grad}


def _decay(l2: float, own: Part) -> float:
    """The weight decay: that of L2, or one that the optimizer's level gives itself."""
    given = float(own.pop("weight_decay", 0.0))
    if given and l2:
        raise ConfigError(
            f"optimizer.weight_decay={given:g} and a weight decay of {l2:g} by reg: give one"
        )
    return given or l2


def _takes(target: str, argument: str) -> bool:
    return argument in (targets.arguments(target, 1) or {})


def _groups(above: nn.Sequential, shared: Shared, settings: dict[str, Any]) -> list[dict[str, Any]]:
    """The weights in groups of one learning rate and one decay, in their order."""
    n_stages = sum(any(w.requires_grad for w in part.parameters()) for part in list(above)[:-1])
    groups: dict[tuple[float, bool], dict[str, Any]] = {}
    seen, at = set(), 0
    for name, part in above.named_children():
        weights = [weight for weight in part.parameters() if weight.requires_grad]
        is_head = name == "head"
        scale = 1.0 if is_head else shared.trunk_lr_scale * shared.layer_decay ** (n_stages - at)
        at += bool(weights) and not is_head
        for weight in weights:
            if id(weight) in seen:
                continue
            seen.add(id(weight))
            is_decayed = shared.decay == "all" or weight.ndim > 1
            new = {"params": [], "lr_scale": scale, **settings}
            if not is_decayed and "weight_decay" in new:
                new["weight_decay"] = 0.0
            groups.setdefault((scale, is_decayed), new)["params"].append(weight)
    return list(groups.values())


@torch.no_grad()
def _add_l2_gradient(weights: Sequence[Tensor], l2: float) -> None:
    pairs = [(weight, weight.grad) for weight in weights if weight.grad is not None]
    gradients = [gradient for _, gradient in pairs]
    torch._foreach_add_(gradients, [weight for weight, _ in pairs], alpha=l2)
