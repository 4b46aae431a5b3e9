"""How the pictures were preprocessed that a network's weights were trained on.

The libraries publish this with the weights: timm as `pretrained_cfg`, torchvision as
`transforms()`. Settings that are null in a config are taken from there. Runs from scratch do so
too, so that all cells with one network have the same views.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ablation.config import Config, ModelConfig
from ablation.network.stages import ModelError, refuse_unknown

#: Methods with which views can be resized.
INTERPOLATIONS = ("bilinear", "bicubic")


@dataclass(frozen=True)
class Preprocessing:
    """The preprocessing that a network's weights were trained with.

    Attributes:
        mean, std: of the pixels in 0..1, one number for each channel.
        size: of a view, pixels a side.
        val_crop: share of a resized picture's side that a validation view keeps.
        interpolation: bilinear or bicubic.
        source: where it is described, such as "timm's tf_efficientnet_lite0.in1k".
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    size: int
    val_crop: float
    interpolation: str
    source: str


#: What a person's own network is given where the config does not say; nothing is published of it.
OF_AN_OWN_NETWORK = Preprocessing((0.5,) * 3, (0.5,) * 3, 64, 0.875, "bilinear", "own")


def published(config: ModelConfig) -> Preprocessing:
    """What the library publishes of the weights that a config names.

    For a local file, it is taken from the published weights whose file has the same name, else
    from the network's first published weights.

    Args:
        config: library, name and weights of a network.

    Raises:
        ModelError: an unknown network, or an interpolation that is not supported.
    """
    if config.own:
        return OF_AN_OWN_NETWORK
    found = _published(config.library, config.name, config.weights)
    if found.interpolation not in INTERPOLATIONS:
        raise ModelError(
            f"data.interpolation: {found.source} asks for {found.interpolation}; choose from "
            + ", ".join(INTERPOLATIONS)
        )
    return found


def filled(config: Config) -> Config:
    """A config whose null settings of preprocessing are those of the network's weights.

    Args:
        config: of a run; it is not changed.

    Raises:
        ModelError: an unknown network, or an interpolation that is not supported.
    """
    model, data = config.model, config.data
    if None not in (model.mean, model.std, data.size, data.val_crop, data.interpolation):
        return config
    if model.own and config.transfer.pretrained and None in (model.mean, model.std):
        raise ModelError(
            f"model.mean and model.std: say what the pre-trained weights of {model.name} expect, "
            "such as model.mean=[0.485,0.456,0.406] model.std=[0.229,0.224,0.225]"
        )
    own = published(model)
    model = replace(
        model,
        mean=list(own.mean) if model.mean is None else model.mean,
        std=list(own.std) if model.std is None else model.std,
    )
    data = replace(
        data,
        size=data.size or own.size,
        val_crop=data.val_crop or own.val_crop,
        interpolation=data.interpolation or own.interpolation,
    )
    return replace(config, model=model, data=data)


def in_words(config: Config) -> str:
    """A line for the start of a command: how views are made, and what the weights expect instead.

    Args:
        config: as `filled` returns it.
    """
    own, model, data = published(config.model), config.model, config.data
    made = f"{config.model.name}: views of {data.size} px, {data.interpolation}"
    made += f", mean {_listed(model.mean)}, std {_listed(model.std)}"
    if model.own:
        return made
    expected = [
        text
        for is_own, text in (
            (data.size == own.size, f"{own.size} px"),
            (data.interpolation == own.interpolation, own.interpolation),
            (_are_near(model.mean, own.mean), f"mean {_listed(own.mean)}"),
            (_are_near(model.std, own.std), f"std {_listed(own.std)}"),
            (_are_near([data.val_crop], [own.val_crop]), f"data.val_crop {own.val_crop:.3g}"),
        )
        if not is_own
    ]
    if not expected:
        return f"{made}, as {own.source} describes it"
    return f"{made}; its weights expect {', '.join(expected)} ({own.source})"


def _listed(values: Sequence[float] | None) -> str:
    """The channels' numbers; one number if all are equal."""
    numbers = list(values or ())
    return f"{numbers[0]:g}" if len(set(numbers)) == 1 else f"{[round(n, 3) for n in numbers]}"


def _are_near(values: Sequence[float | None] | None, others: Sequence[float]) -> bool:
    pairs = zip(values or (), others, strict=True)
    return all(one is not None and abs(one - other) < 5e-4 for one, other in pairs)


@functools.lru_cache(maxsize=16)
def _published(library: str, name: str, weights_name: str) -> Preprocessing:
    config = ModelConfig(library, name, weights_name)
    refuse_unknown(config)
    return _of_timm(config) if library == "timm" else _of_torchvision(config)


def _of_timm(config: ModelConfig) -> Preprocessing:
    import timm

    found: Any = timm.get_pretrained_cfg(config.name)
    for tagged in timm.list_pretrained(f"{config.name}.*"):
        one: Any = timm.get_pretrained_cfg(tagged)
        if config.weights == one.tag or _is_file_of(config.weights, one.url):
            found = one
    tag = f".{found.tag}" if found.tag else ""
    return Preprocessing(
        tuple(found.mean),
        tuple(found.std),
        int(found.input_size[-1]),
        float(found.crop_pct),
        str(found.interpolation),
        f"timm's {config.name}{tag}",
    )


def _of_torchvision(config: ModelConfig) -> Preprocessing:
    from torchvision.models import get_model_weights

    known = get_model_weights(config.name)
    listed = list(known)
    of_file = (one for one in listed if _is_file_of(config.weights, one.url))
    name = "DEFAULT" if config.weights == "default" else config.weights
    found = known.__members__.get(name) or next(of_file, listed[0])
    made = found.transforms()
    return Preprocessing(
        tuple(made.mean),
        tuple(made.std),
        int(made.crop_size[0]),
        made.crop_size[0] / made.resize_size[0],
        str(made.interpolation.value),
        f"torchvision's {config.name}.{found.name}",
    )


def _is_file_of(weights_name: str, address: object) -> bool:
    return isinstance(address, str) and Path(weights_name).name == address.rpartition("/")[2]
