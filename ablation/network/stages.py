"""Networks of timm and torchvision, their last layer removed, the rest cut into stages.

A stage is a part of the trunk that is frozen or trained as a whole (`transfer.trained=stages`).
"""

import itertools
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from ablation import targets
from ablation.compat import import_torchvision
from ablation.config import ModelConfig
from ablation.errors import ConfigError, first_line
from ablation.network import families
from ablation.targets import TARGET


class ModelError(ConfigError):
    """A network that can't be built or weights that can't be loaded; its text says what to do."""


#: What the two libraries call the share of residual blocks that is skipped in training.
_DROP_PATH = {"timm": "drop_path_rate", "torchvision": "stochastic_depth_prob"}
#: Arguments with which torchvision builds a network for its published weights.
_AS_PUBLISHED = {"googlenet": {"transform_input": True}, "inception_v3": {"transform_input": True}}


def whole(config: ModelConfig) -> nn.Module:
    """A network with its ImageNet head, at a random start.

    Args:
        config: its library and name, or a person's own target.

    Raises:
        ModelError: the library has no network of this name, or the target makes none.
    """
    if config.own:
        return own(config)
    refuse_unknown(config)
    if config.library == "timm":
        import timm

        return _made(timm.create_model, config, pretrained=False)
    from torchvision import models

    settings = _AS_PUBLISHED.get(config.name, {})
    return _made(models.get_model, config, weights=None, **settings)


def _made(make: Callable[..., nn.Module], config: ModelConfig, **settings: Any) -> nn.Module:
    """A network with its settings, of which only the drop path is a person's.

    Raises:
        ModelError: the network skips no blocks.
    """
    if not config.drop_path:
        return make(config.name, **settings)
    try:
        return make(config.name, **settings, **drop_path(config))
    except TypeError as error:
        raise ModelError(
            f"model.drop_path={config.drop_path:g}: {config.name} can skip no blocks; leave it out"
        ) from error


def drop_path(config: ModelConfig) -> dict[str, Any]:
    """The argument by which a library sets the share of blocks that is skipped."""
    return {_DROP_PATH[config.library]: config.drop_path} if config.drop_path else {}


def own(config: ModelConfig, *, pretrained: bool = False) -> nn.Module:
    """A network that a person's own class or function makes, with whatever last layer it has.

    Args:
        config: the target and its arguments.
        pretrained: whether it is asked for its pre-trained weights.

    Raises:
        ModelError: the target makes no network, or knows nothing of pre-trained weights.
    """
    target = str(config.own[TARGET])
    if config.drop_path:
        raise ModelError(
            "model.drop_path: a network of your own takes arguments of your own for it"
        )
    part = dict(config.own)
    known = targets.arguments(target, 0)
    if known is None or "pretrained" in known:
        part["pretrained"] = pretrained
    elif pretrained:
        raise ModelError(
            f"model.{TARGET}: {target} takes no argument `pretrained`, so it has no pre-trained "
            "weights; transfer=scratch trains it from a random start, model.weights=FILE reads its "
            "weights from a file"
        )
    made = targets.made("model", part)
    try:
        network = made if targets.is_class(target) else made()
    # Whatever a person's own code raises.
    except Exception as error:
        kind = type(error).__name__
        raise ModelError(f"model.{TARGET}: {target}: {kind}: {first_line(error)}") from error
    if not isinstance(network, nn.Module):
        kind = type(network).__name__
        raise ModelError(f"model.{TARGET}: {target}: returned {kind}; wanted is a torch.nn.Module")
    return network


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
    if config.own:
        return _drop_last_linear(model, config)
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


class RemovedLayer(nn.Identity):
    """Stands where the last linear layer was, which took this many features."""

    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.n_features = n_features


def _drop_last_linear(model: nn.Module, config: ModelConfig) -> float:
    """Remove the last linear layer of a person's own network, and a dropout just before it.

    Whether its output was the network's is found when the features are computed, see `model`.
    """
    linear = [name for name, part in model.named_modules() if isinstance(part, nn.Linear)]
    if not linear or not linear[-1]:
        raise ModelError(
            f"model.{TARGET}: {config.name}: has no linear layer in it, which is needed as its last"
            " one: it is replaced by a new one for the classes of the pictures"
        )
    above, _, name = linear[-1].rpartition(".")
    block = model.get_submodule(above)
    names = [one for one, _ in block.named_children()]
    setattr(block, name, RemovedLayer(block.get_submodule(name).in_features))  # type: ignore[arg-type]
    at = names.index(name)
    return _take(block, names[at - 1]) if at else 0.0


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


def staged(model: nn.Module, size: int) -> tuple[nn.Sequential, nn.Sequential]:
    """A network without its head as a sequence of stages that ends in pooled, flat features.

    Args:
        model: without its last layer.
        size: of the views that its weights were trained with, pixels a side.

    Returns:
        The stages by name, one stage named `all` for a network of unknown structure; and the same
        modules as the first version of the project cut and named them, which identifies the weights
        of finished runs.
    """
    one = nn.Sequential()
    one.add_module("all", model)
    wanted = _output(one, size)
    first = _first_that_agrees(families.known_first(model), wanted, size) or one
    stages = first
    if first is one:
        stages = _first_that_agrees(families.known_since(model), wanted, size) or one
    if stages is not one and families.is_fine(model):
        stages = _by_resolution(stages, size)
    return _with_norms(stages), first


def _first_that_agrees(
    candidates: Iterator[families.Named], wanted: Tensor | None, size: int
) -> nn.Sequential | None:
    """The first candidate that computes the same as the whole network, to the bit."""
    while wanted is not None:
        try:
            named = next(candidates, None)
        # The network's parts are not what their names promise.
        except (AttributeError, TypeError, ValueError):
            return None
        if named is None:
            return None
        stages = nn.Sequential(OrderedDict(named))
        found = _output(stages, size)
        if found is not None and torch.equal(found, wanted):
            return stages
    return None


@torch.no_grad()
def _by_resolution(stages: nn.Sequential, size: int) -> nn.Sequential:
    """Layers and blocks in groups: a group starts where the feature maps become smaller."""
    groups: list[families.Named] = [[]]
    *body, last = stages.named_children()
    x = _probe(size)
    was_training = stages.training
    stages.eval()
    for name, part in body:
        y = part(x)
        if groups[-1] and y.shape[-1] < x.shape[-1]:
            groups.append([])
        groups[-1].append((name, part))
        x = y
    stages.train(was_training)
    named = [(f"stage{at}", nn.Sequential(OrderedDict(group))) for at, group in enumerate(groups)]
    return nn.Sequential(OrderedDict([*named, last]))


def _with_norms(stages: nn.Sequential) -> nn.Sequential:
    """The stages, each with the norms that follow it: a norm alone is no stage."""
    groups: list[families.Named] = []
    for name, part in stages.named_children():
        weights = list(part.parameters())
        before = [at for at, group in enumerate(groups) if _has_matrix(group)]
        if weights and before and all(weight.ndim < 2 for weight in weights):
            groups[before[-1] :] = [[*itertools.chain(*groups[before[-1] :]), (name, part)]]
        else:
            groups.append([(name, part)])
    named = [
        group[0] if len(group) == 1 else (group[0][0], nn.Sequential(OrderedDict(group)))
        for group in groups
    ]
    return nn.Sequential(OrderedDict(named))


def _has_matrix(group: families.Named) -> bool:
    return any(weight.ndim > 1 for _, part in group for weight in part.parameters())


@torch.no_grad()
def _output(network: nn.Module, size: int) -> Tensor | None:
    """What a network computes of one made-up view; None where it can't."""
    was_training = network.training
    network.eval()
    try:
        found = network(_probe(size))
    # A network for another size of views, or whose parts are not connected in this order.
    except (RuntimeError, AssertionError, ValueError, TypeError, AttributeError):
        found = None
    network.train(was_training)
    return found if isinstance(found, Tensor) else None


def _probe(size: int) -> Tensor:
    return torch.linspace(-1, 1, 3 * size * size).view(1, 3, size, size)
