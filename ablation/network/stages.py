"""Networks of timm and torchvision, their last layer removed, the rest cut into stages.

A stage is a part of the trunk that is frozen or trained as a whole (`transfer.trained=stages`).
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from ablation.compat import import_torchvision
from ablation.config import ModelConfig
from ablation.errors import ConfigError


class ModelError(ConfigError):
    """A network that can't be built or weights that can't be loaded; its text says what to do."""


#: Arguments with which torchvision builds a network for its published weights.
_AS_PUBLISHED = {"googlenet": {"transform_input": True}, "inception_v3": {"transform_input": True}}

#: Of common families of networks: the attributes that hold the stem, the stages, and the tail.
_FAMILIES = (
    (("conv_stem", "bn1"), ("blocks",), ("conv_head", "bn2")),  # timm's EfficientNets, MobileNetV2
    (("conv1", "bn1", "relu", "maxpool"), ("layer1", "layer2", "layer3", "layer4"), ()),  # ResNets
    (("conv1", "bn1", "act1", "maxpool"), ("layer1", "layer2", "layer3", "layer4"), ()),  # timm's
    (("stem",), ("stages",), ()),  # timm's ConvNeXts, RegNets
    ((), ("features",), ()),  # torchvision's MobileNets, EfficientNets, ConvNeXts
)


def whole(config: ModelConfig) -> nn.Module:
    """A network with its ImageNet head, at a random start.

    Args:
        config: its library and name.

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
    """Check the name of a network.

    Args:
        config: its library and name.

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
    """Remove the last layer, the dropout before it, and auxiliary classifiers, in place.

    Args:
        model: a whole network.
        config: its library and name.

    Returns:
        The probability of the removed dropout; 0 if there was none.

    Raises:
        ModelError: the last layer is not a linear one.
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
    """Remove a dropout layer and return its probability; 0 if there is no such layer."""
    layer = getattr(block, name, None)
    if not isinstance(layer, nn.Dropout):
        return 0.0
    setattr(block, name, nn.Identity())
    return layer.p


def _take_timms_dropout(model: Any) -> float:
    """The same, wherever timm keeps it: as a number, a layer of the network, or of its head."""
    found = [
        _take(model, "head_drop"),
        _take(head, "drop") if isinstance(head := getattr(model, "head", None), nn.Module) else 0.0,
        float(getattr(model, "drop_rate", None) or 0.0),
    ]
    if hasattr(model, "drop_rate"):
        model.drop_rate = 0.0
    return max(found)


def staged(model: nn.Module, size: int) -> nn.Sequential:
    """A network without its head as a sequence of stages that ends in pooled, flat features.

    Args:
        model: without its last layer.
        size: of the views that its weights were trained with, pixels a side.

    Returns:
        The stages by name; one stage named `all` for a network of unknown structure.
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
    """Candidates for what follows the last stage: pooling, perhaps with layers of the head."""
    yield nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    if isinstance(rest := getattr(model, "classifier", None), nn.Sequential):
        yield nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), rest)
        yield nn.Sequential(nn.AdaptiveAvgPool2d(1), rest)
        if isinstance(pool := getattr(model, "avgpool", None), nn.Module):
            yield nn.Sequential(pool, nn.Flatten(), rest)


@torch.no_grad()
def _agree(one: nn.Module, stages: nn.Module, size: int) -> bool:
    """Whether the network cut into stages computes the same as the whole one."""
    probe = torch.linspace(-1, 1, 3 * size * size).view(1, 3, size, size)
    was_training = one.training
    one.eval()
    stages.eval()
    try:
        agree = torch.equal(one(probe), stages(probe))
    # A network for another size of views, or whose parts are not connected in this order.
    except (RuntimeError, AssertionError, ValueError, TypeError):
        agree = False
    one.train(was_training)
    stages.train(was_training)
    return agree
