"""Networks: a trunk in stages, pre-trained or at a random start, and a new head."""

import copy
import functools
import hashlib

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ablation.config import ModelConfig
from ablation.network import preprocessing, stages, weights
from ablation.network.stages import ModelError
from ablation.network.weights import State
from ablation.randomness import HEAD, TRUNK, seeded


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
    """

    def __init__(self, trunk: nn.Sequential, head: Head) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = head

    def forward(self, views: Tensor) -> Tensor:
        return self.head(self.trunk(views))  # type: ignore[no-any-return]


def build(config: ModelConfig, n_classes: int, *, pretrained: bool, seed: int) -> Network:
    """A new network.

    Args:
        config: which network, and its pre-trained weights.
        n_classes: outputs of the head.
        pretrained: whether the trunk starts from the pre-trained weights; else from `seed`.
        seed: decides the start of the head, and of a trunk that is not pre-trained.

    Returns:
        A network on the CPU, in memory format channels last.

    Raises:
        ModelError: an unknown network, or weights that can't be loaded or don't fit it.
    """
    if pretrained:
        trunk, dropout = copy.deepcopy(_pretrained(*_key(config)))
    else:
        with seeded(TRUNK, seed):
            trunk, dropout = _random(config)
    with seeded(HEAD, seed):
        head = Head(_n_features(*_key(config)), n_classes, dropout)
    network = Network(trunk, head)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def weights_digest(config: ModelConfig) -> str:
    """Identifies the weights of the pre-trained trunk: 16 hexadecimal digits.

    Args:
        config: which network, and its pre-trained weights.

    Raises:
        ModelError: an unknown network, or weights that can't be loaded or don't fit it.
    """
    return _pretrained_digest(*_key(config))


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
    try:
        _features(skeleton(config), size)
    except (RuntimeError, AssertionError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        own = preprocessing.published(config).size
        raise ModelError(
            f"data.size={size}: {config.name} can't be run on views of {size} px ({reason}); "
            f"its weights were trained at data.size={own}"
        ) from error


def skeleton(config: ModelConfig) -> nn.Sequential:
    """The stages of a network at a random start, in evaluation mode.

    Args:
        config: which network.

    Returns:
        A shared object, which must not be changed.

    Raises:
        ModelError: an unknown network.
    """
    return _skeleton(*_key(config))


def _key(config: ModelConfig) -> tuple[str, str, str]:
    return config.library, config.name, config.weights


@functools.lru_cache(maxsize=4)
def _pretrained(library: str, name: str, wanted: str) -> tuple[nn.Sequential, float]:
    config = ModelConfig(library, name, wanted)
    with seeded(TRUNK, 0):
        model, dropout = weights.pretrained(config)
    return stages.staged(model, preprocessing.published(config).size), dropout


@functools.lru_cache(maxsize=4)
def _pretrained_digest(library: str, name: str, wanted: str) -> str:
    return digest(_pretrained(library, name, wanted)[0].state_dict())


def _random(config: ModelConfig) -> tuple[nn.Sequential, float]:
    model = stages.whole(config)
    dropout = stages.drop_head(model, config)
    return stages.staged(model, preprocessing.published(config).size), dropout


@functools.lru_cache(maxsize=4)
def _skeleton(library: str, name: str, wanted: str) -> nn.Sequential:
    with seeded(TRUNK, 0):
        return _random(ModelConfig(library, name, wanted))[0].eval()


@functools.lru_cache(maxsize=16)
def _n_features(library: str, name: str, wanted: str) -> int:
    """The length of the pooled features, whatever the trunk's weights."""
    config = ModelConfig(library, name, wanted)
    return int(_features(skeleton(config), preprocessing.published(config).size).shape[1])


@torch.no_grad()
def _features(trunk: nn.Sequential, size: int) -> Tensor:
    features: Tensor = trunk(torch.zeros(1, 3, size, size))
    return features
