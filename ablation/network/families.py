"""Families of networks: which of their parts is the stem, which are stages, and what follows.

A candidate that is wrong does no harm: `stages.staged` takes the first one that computes what the
whole network computes.
"""

import copy
from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

#: Named parts that are run one after another.
Named = list[tuple[str, nn.Module]]

#: The attributes that hold the stem, the stages, and the tail.
_KNOWN_FIRST = (
    (("conv_stem", "bn1"), ("blocks",), ("conv_head", "bn2")),  # timm's EfficientNets, MobileNetV2
    (("conv1", "bn1", "relu", "maxpool"), ("layer1", "layer2", "layer3", "layer4"), ()),  # ResNets
    (("conv1", "bn1", "act1", "maxpool"), ("layer1", "layer2", "layer3", "layer4"), ()),  # timm's
    (("stem",), ("stages",), ()),  # timm's ConvNeXts, RegNets
    ((), ("features",), ()),  # torchvision's MobileNets, EfficientNets, ConvNeXts
)
#: Those whose end is a `forward_head` of timm, and the layers that come before it.
_OF_TIMM = (
    (("patch_embed",), ("layers",), ("norm",)),  # Swins
    (("stem",), ("stages",), ("norm_pre",)),  # ConvNeXts
    (("stem",), ("stages",), ("norm",)),  # ResNetV2s
    (("stem",), ("s1", "s2", "s3", "s4"), ("final_conv",)),  # RegNets
    (("conv_stem", "bn1"), ("blocks",), ()),  # MobileNetV3s and V4s
    ((), ("features",), ()),  # VGGs
)
#: Attributes whose children are stages, each of them.
_LISTS = ("blocks", "stages", "features", "layers", "trunk_output")

#: Classes of networks whose `features` are single layers or blocks, not stages.
_FINE = ("VGG", "DenseNet", "MobileNetV2", "MobileNetV3")


def is_fine(model: nn.Module) -> bool:
    """Whether the children of `features` are parts of stages: a stage is what has one resolution.

    Args:
        model: a whole network.
    """
    return type(model).__name__ in _FINE and hasattr(model, "features")


def known_first(model: nn.Module) -> Iterator[Named]:
    """Candidates of the families that the project's first version cut into stages."""
    for stem, bodies, tail in _KNOWN_FIRST:
        if all(hasattr(model, name) for name in (*stem, *bodies, *tail)):
            begin = _begin(model, stem, bodies)
            if tail:
                begin.append(("tail", _chain(model, tail)))
            for end in _ends(model):
                yield [*begin, ("pool", end)]


def known_since(model: nn.Module) -> Iterator[Named]:
    """Candidates of the families that were added later."""
    if type(model) is nn.Sequential:
        yield list(model.named_children())
    if hasattr(model, "forward_head"):
        for stem, bodies, tail in _OF_TIMM:
            if all(hasattr(model, name) for name in (*stem, *bodies, *tail)):
                yield [*_begin(model, stem, bodies), ("pool", _TimmsEnd(model, tail, bodies))]
        if hasattr(model, "_pos_embed"):
            yield [
                ("stem", _TimmsTokens(model)),
                *_begin(model, (), ("blocks",)),
                ("pool", _TimmsEnd(model, ("norm",), ("blocks",))),
            ]
    if hasattr(model, "encoder") and hasattr(model, "class_token"):
        end = nn.Sequential(model.encoder.ln, _FirstToken())  # type: ignore[union-attr,arg-type]
        layers = model.encoder.layers.named_children()  # type: ignore[union-attr]
        yield [("stem", _TorchvisionsTokens(model)), *layers, ("pool", end)]
    if hasattr(model, "features") and hasattr(model, "norm"):
        end = _chain(model, ("norm", "permute", "avgpool", "flatten"))
        yield [*_begin(model, (), ("features",)), ("pool", end)]
    if hasattr(model, "trunk_output"):
        end = nn.Sequential(model.avgpool, nn.Flatten())  # type: ignore[arg-type]
        yield [*_begin(model, ("stem",), ("trunk_output",)), ("pool", end)]
    if hasattr(model, "features"):
        end = nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())  # DenseNets
        yield [*_begin(model, (), ("features",)), ("pool", end)]


def _begin(model: nn.Module, stem: tuple[str, ...], bodies: tuple[str, ...]) -> Named:
    parts: Named = [("stem", _chain(model, stem))] if stem else []
    for body in bodies:
        part = getattr(model, body)
        is_list = body in _LISTS and isinstance(part, nn.Sequential)
        children = part.named_children() if is_list else [("", part)]
        parts += [(f"{body}{name}", stage) for name, stage in children]
    return parts


def _chain(model: nn.Module, names: tuple[str, ...]) -> nn.Sequential:
    return nn.Sequential(*(getattr(model, name) for name in names))


def _ends(model: nn.Module) -> Iterator[nn.Sequential]:
    """What may follow the last stage: pooling, perhaps with layers of the head."""
    yield nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    if isinstance(rest := getattr(model, "classifier", None), nn.Sequential):
        yield nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), rest)
        yield nn.Sequential(nn.AdaptiveAvgPool2d(1), rest)
        if isinstance(pool := getattr(model, "avgpool", None), nn.Module):
            yield nn.Sequential(pool, nn.Flatten(), rest)


class _TimmsEnd(nn.Module):
    """The layers of a timm network after its stages, as its own `forward_head` runs them."""

    def __init__(self, model: nn.Module, tail: tuple[str, ...], bodies: tuple[str, ...]) -> None:
        super().__init__()
        names = [name for name, _ in model.named_children()]
        last = max(names.index(body) for body in bodies)
        self.rest = _without(model, names[: last + 1])
        # The tokens and positions that a transformer has belong to its stem.
        self.rest._parameters = {}
        self._tail = tail

    def forward(self, x: Tensor) -> Tensor:
        for name in self._tail:
            x = getattr(self.rest, name)(x)
        return self.rest.forward_head(x)  # type: ignore[operator,no-any-return]


class _TimmsTokens(nn.Module):
    """What a timm transformer does before its blocks: patches, positions, extra tokens."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        names = [name for name, _ in model.named_children()]
        self.rest = _without(model, names[names.index("blocks") :])
        self.rest.blocks = nn.Sequential()

    def forward(self, views: Tensor) -> Tensor:
        return self.rest.forward_features(views)  # type: ignore[operator,no-any-return]


class _TorchvisionsTokens(nn.Module):
    """What a torchvision transformer does before its layers."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.rest: Any = _without(model, ["heads"])
        self.rest.encoder = _without(model.encoder, ["ln"])
        self.rest.encoder.layers = nn.Sequential()

    def forward(self, views: Tensor) -> Tensor:
        import torch

        patches = self.rest._process_input(views)
        first = self.rest.class_token.expand(len(views), -1, -1)
        return self.rest.encoder(torch.cat([first, patches], 1))  # type: ignore[no-any-return]


class _FirstToken(nn.Module):
    def forward(self, tokens: Tensor) -> Tensor:
        return tokens[:, 0]


def _without(model: nn.Module, names: list[str]) -> nn.Module:
    """A shallow copy of a network, in which some children do nothing; the others are shared."""
    clone = copy.copy(model)
    clone._modules = {**model._modules, **{name: nn.Identity() for name in names}}
    clone._parameters = dict(model._parameters)
    clone._buffers = dict(model._buffers)
    return clone
