"""Networks: a trunk in stages, pre-trained or at a random start, and a new head."""

import copy
import functools
import hashlib
import json
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ablation.config import ModelConfig
from ablation.network import preprocessing, stages, weights
from ablation.network.stages import ModelError
from ablation.network.weights import State
from ablation.randomness import HEAD, TRUNK, seeded
from ablation.targets import TARGET


class Head(nn.Linear):
    """The new last layer, with the dropout that the network has before its original one."""

    def __init__(self, n_features: int, n_classes: int, dropout: float = 0.0) -> None:
        super().__init__(n_features, n_classes)
        self.dropout = dropout

    def forward(self, features: Tensor) -> Tensor:
        if self.dropout:
            features = F.dropout(features, self.dropout, self.training)
        return super().forward(features)


class Network(nn.Module):
    """`head(trunk(views))`: the logits of views, shape (n, n_classes).

    Attributes:
        trunk: the stages, from views, shape (n, 3, size, size), to pooled features, shape
            (n, n_features).
        head: the new last layer, from features to logits.
        start_digest: of the trunk as the network starts, see `digest`; "" if not computed.
    """

    def __init__(self, trunk: nn.Sequential, head: Head, start_digest: str = "") -> None:
        super().__init__()
        self.trunk = trunk
        self.head = head
        self.start_digest = start_digest

    def forward(self, views: Tensor) -> Tensor:
        return self.head(self.trunk(views))  # type: ignore[no-any-return]


def build(
    config: ModelConfig,
    n_classes: int,
    *,
    pretrained: bool,
    seed: int,
    is_shared: bool = False,
) -> Network:
    """A new network.

    Args:
        config: which network, and its pre-trained weights.
        n_classes: outputs of the head.
        pretrained: whether the trunk starts from the pre-trained weights; else from `seed`.
        seed: decides the start of the head, and of a trunk that is not pre-trained.
        is_shared: whether a pre-trained trunk is one object for all networks, which nobody may
            change; else each network has its own.

    Returns:
        A network on the CPU, in memory format channels last; a shared trunk stays where it was put.

    Raises:
        ModelError: an unknown network, or weights that can't be loaded or don't fit it.
    """
    if pretrained:
        found = _pretrained(_key(config))
        trunk = found.shared if is_shared else copy.deepcopy(found.trunk)
    else:
        with seeded(TRUNK, seed):
            found = _random(config)
        trunk = _channels_last(found.trunk)
    with seeded(HEAD, seed):
        own = found.dropout if config.dropout is None else config.dropout
        head = Head(_n_features(_key(config)), n_classes, own)
    return Network(trunk, head, found.digest)


def is_unchanged(config: ModelConfig, state: State) -> bool:
    """Whether a trunk that all networks share still has the pre-trained weights, to the bit.

    Where it has not, as a person's own code changed it, the next network gets a new one.

    Args:
        config: which network, and its pre-trained weights.
        state: the weights and buffers of the trunk.
    """
    found = _pretrained(_key(config))
    wanted = found.trunk.state_dict()
    is_same = all(_are_equal(state[name], value) for name, value in wanted.items())
    if not is_same:
        vars(found).pop("shared", None)
    return is_same


def _are_equal(one: Tensor, other: Tensor) -> bool:
    if one.dtype == torch.float32:
        # As numbers, 0 would be equal to -0, and NaN to nothing.
        one, other = one.view(torch.int32), other.view(torch.int32)
    return torch.equal(one.cpu(), other)


def weights_digest(config: ModelConfig) -> str:
    """Identifies the weights of the pre-trained trunk: 16 hexadecimal digits.

    Args:
        config: which network, and its pre-trained weights.

    Raises:
        ModelError: an unknown network, or weights that can't be loaded or don't fit it.
    """
    return _pretrained(_key(config)).first_digest


def new_stages(config: ModelConfig) -> str:
    """Identifies how a trunk is cut into stages: 16 hexadecimal digits.

    Returns:
        "" where it is cut as in the first version of the project.
    """
    found = _pretrained(_key(config))
    names = [list(one.state_dict()) for one in (found.trunk, found.first)]
    return "" if names[0] == names[1] else hashlib.sha256(repr(names[0]).encode()).hexdigest()[:16]


def digest(state: State) -> str:
    """Identifies weights and buffers by name, type, shape and value: 16 hexadecimal digits."""
    total = hashlib.sha256()
    for name, tensor in state.items():
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        total.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return total.hexdigest()[:16]


def refuse_size(config: ModelConfig, size: int) -> None:
    """Check that a network can be run on views of a size, before anything is trained.

    Args:
        config: which network.
        size: of the views, pixels a side.

    Raises:
        ModelError: it can't, or there is no such network.
    """
    trunk = skeleton(config)
    try:
        found = tuple(_features(trunk, size).shape)
    # A person's own network may raise anything.
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        own = preprocessing.published(config).size
        raise ModelError(
            f"data.size={size}: {config.name} can't be run on views of {size} px ({reason}); "
            f"its weights were trained at data.size={own}"
        ) from error
    removed = [part for part in trunk.modules() if isinstance(part, stages.RemovedLayer)]
    for layer in removed:
        if found != (1, layer.n_features):
            raise ModelError(
                f"model.{TARGET}: {config.name}: its last linear layer takes {layer.n_features} "
                f"features, but without it the network returns {found} for one picture: it is not "
                "what the network ends with, and so can't be replaced"
            )


def skeleton(config: ModelConfig) -> nn.Sequential:
    """The stages of a network at a random start, in evaluation mode.

    Args:
        config: which network.

    Returns:
        A shared object, which must not be changed.

    Raises:
        ModelError: an unknown network.
    """
    return _skeleton(_key(config))


def _key(config: ModelConfig) -> str:
    """What decides a network and its weights, as a text by which it is cached."""
    return json.dumps([config.library, config.name, config.weights, config.drop_path, config.own])


def _of_key(key: str) -> ModelConfig:
    library, name, wanted, drop_path, own = json.loads(key)
    return ModelConfig(library, name, wanted, drop_path=drop_path, own=own)


@dataclass(frozen=True)
class _Built:
    """A trunk and the dropout after it. `first` has the same modules, cut and named as the first
    version of the project did, by which the weights of finished runs are known."""

    trunk: nn.Sequential
    first: nn.Sequential
    dropout: float

    @functools.cached_property
    def shared(self) -> nn.Sequential:
        """A copy of the trunk, always the same."""
        return copy.deepcopy(self.trunk)

    @functools.cached_property
    def digest(self) -> str:
        return digest(self.trunk.state_dict())

    @functools.cached_property
    def first_digest(self) -> str:
        return digest(self.first.state_dict())


@functools.lru_cache(maxsize=4)
def _pretrained(key: str) -> _Built:
    config = _of_key(key)
    with seeded(TRUNK, 0):
        model, dropout = weights.pretrained(config)
    found = _built(model, dropout, config)
    _channels_last(found.trunk)
    return found


def _random(config: ModelConfig) -> _Built:
    model = stages.whole(config)
    dropout = stages.drop_head(model, config)
    return _built(model, dropout, config)


def _channels_last(trunk: nn.Sequential) -> nn.Sequential:
    """The trunk in this memory format, changed in place."""
    trunk.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return trunk


def _built(model: nn.Module, dropout: float, config: ModelConfig) -> _Built:
    trunk, first = stages.staged(model, preprocessing.published(config).size)
    return _Built(trunk, first, dropout)


@functools.lru_cache(maxsize=4)
def _skeleton(key: str) -> nn.Sequential:
    with seeded(TRUNK, 0):
        return _random(_of_key(key)).trunk.eval()


@functools.lru_cache(maxsize=16)
def _n_features(key: str) -> int:
    """The length of the pooled features, whatever the trunk's weights."""
    config = _of_key(key)
    return int(_features(skeleton(config), preprocessing.published(config).size).shape[1])


@torch.no_grad()
def _features(trunk: nn.Sequential, size: int) -> Tensor:
    features: Tensor = trunk(torch.zeros(1, 3, size, size))
    return features
