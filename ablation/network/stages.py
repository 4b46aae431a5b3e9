"""Networks of timm and torchvision without their last layer, cut into stages.

A stage is a part of the trunk that is frozen or trained as a whole (`transfer.trained=stages`).
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from ablation.config import ModelConfig
from ablation.errors import ConfigError
from ablation.network.compat import import_torchvision


class ModelError(ConfigError):
    """A network or weights that can't be had; its text says what to do instead."""


#: What these networks are built with where torchvision gives them its published weights.
_AS_PUBLISHED = {"googlenet": {"transform_input": True}, "inception_v3": {"transform_input": True}}

#: Where the stages of common families are: (attributes of the stem, of the stages, of the tail).
_FAMILIES = (
    (("conv_stem", "bn1"), ("blocks",), ("conv_head", "bn2")),  # timm's EfficientNets, MobileNetV2
    (("conv1", "bn1", "relu", "maxpool"), ("layer1", "layer2", "layer3", "layer4"), ()),  # ResNets
    (("conv1", "bn1", "act1", "maxpool"), ("layer1", "layer2", "layer3", "layer4"), ()),  # timm's
    (("stem",), ("stages",), ()),  # timm's ConvNeXts, RegNets
    ((), ("features",), ()),  # torchvision's MobileNets, EfficientNets, ConvNeXts
)


def whole(config: ModelConfig) -> nn.Module:
    """The network with its ImageNet head, at a random start.

    Raises:
        ModelError: the library has no network of this name.
    """
    refuse_unknown(config)
    if config.library == "timm":
        import timm

        return timm.create_model(config.name, pretrained=False)
    from torchvision import models

    settings = _AS_PUBLISHED.get(config.name, {})
    return models.get_model(config.name, weights=None, **settings)  # type: ignore[no-any-return]


def refuse_unknown(config: ModelConfig) -> None:
    """Check the network's name.

    Raises:
        ModelError: the library has no network of this name.
    """
    import_torchvision()
    if config.library == "timm":
        import timm

        if not timm.is_model(config.name):
            near = timm.list_models(f"*{config.name[:6]}*")[:8]
            raise ModelError(
                f"model.name={config.name}: timm has no such network"
                + (f"; near it: {', '.join(near)}" if near else "")
            )
        return
    from torchvision import models

    if config.name not in models.list_models(module=models):
        raise ModelError(
            f"model.name={config.name}: torchvision has no such classifier; choose from "
            + ", ".join(models.list_models(module=models))
        )


def drop_head(model: Any, config: ModelConfig) -> float:
    """Take the last layer from a network, and the auxiliary classifiers that only training uses.

    Returns:
        The probability of the dropout before that layer, which is taken too; 0 where there is none.

    Raises:
        ModelError: a network whose last layer is of another kind.
    """
    if config.library == "timm":
        model.reset_classifier(0)
        return _take_timms_dropout(model)
    if getattr(model, "aux_logits", False):
        model.aux_logits = False
        for name in ("aux1", "aux2", "AuxLogits"):
            if hasattr(model, name):
                setattr(model, name, None)
    for name in ("fc", "classifier", "heads", "head"):
        last = getattr(model, name, None)
        if isinstance(last, nn.Linear):
            setattr(model, name, nn.Identity())
            return _take(model, "dropout")
        if isinstance(last, nn.Sequential):
            linear = [key for key, part in last.named_children() if isinstance(part, nn.Linear)]
            if not linear:
                break
            names = [key for key, _ in last.named_children()]
            setattr(last, linear[-1], nn.Identity())
            at = names.index(linear[-1])
            return _take(last, names[at - 1]) if at else 0.0
    raise ModelError(
        f"model.name={config.name}: its last layer is not a linear one, so it can't be replaced; "
        "choose another network"
    )


def _take(block: nn.Module, name: str) -> float:
    """A dropout's probability; the dropout itself is taken out."""
    layer = getattr(block, name, None)
    if not isinstance(layer, nn.Dropout):
        return 0.0
    setattr(block, name, nn.Identity())
    return layer.p


def _take_timms_dropout(model: Any) -> float:
    """timm keeps it as a number, as a layer of the network, or as a layer of its head."""
    found = [
        _take(model, "head_drop"),
        _take(head, "drop") if isinstance(head := getattr(model, "head", None), nn.Module) else 0.0,
        float(getattr(model, "drop_rate", None) or 0.0),
    ]
    if hasattr(model, "drop_rate"):
        model.drop_rate = 0.0
    return max(found)


def staged(model: nn.Module, size: int) -> nn.Sequential:
    """A headless network as a sequence of stages that ends in pooled, flat features.

    One stage, called `all`, where no stages are known.

    Args:
        size: of the views that its weights were trained with, pixels a side.
    """
    one = nn.Sequential()
    one.add_module("all", model)
    for stem, bodies, tail in _FAMILIES:
        if not all(hasattr(model, name) for name in (*stem, *bodies, *tail)):
            continue
        stages = nn.Sequential()
        if stem:
            stages.add_module("stem", nn.Sequential(*(getattr(model, name) for name in stem)))
        for body in bodies:
            part = getattr(model, body)
            is_list = body in ("blocks", "stages", "features") and isinstance(part, nn.Sequential)
            for name, stage in part.named_children() if is_list else [("", part)]:
                stages.add_module(f"{body}{name}", stage)
        if tail:
            stages.add_module("tail", nn.Sequential(*(getattr(model, name) for name in tail)))
        for end in _ends(model):
            stages.add_module("pool", end)
            if _agree(one, stages, size):
                return stages
    return one


def _ends(model: nn.Module) -> Iterator[nn.Sequential]:
    """What may lie between the last stage and the features: pooling, then layers of a head."""
    yield nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    if isinstance(rest := getattr(model, "classifier", None), nn.Sequential):
        yield nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), rest)
        yield nn.Sequential(nn.AdaptiveAvgPool2d(1), rest)
        if isinstance(pool := getattr(model, "avgpool", None), nn.Module):
            yield nn.Sequential(pool, nn.Flatten(), rest)


@torch.no_grad()
def _agree(one: nn.Module, stages: nn.Module, size: int) -> bool:
    """Whether cutting into stages left the function as it was."""
    probe = torch.linspace(-1, 1, 3 * size * size).view(1, 3, size, size)
    was_training = one.training
    one.eval()
    stages.eval()
    try:
        agree = torch.equal(one(probe), stages(probe))
    # A network that takes another size, or whose parts don't fit in this order.
    except (RuntimeError, AssertionError, ValueError, TypeError):
        agree = False
    one.train(was_training)
    stages.train(was_training)
    return agree
