"""How the images were prepared that a network's weights were trained on.

The libraries publish it with the weights: timm as `pretrained_cfg`, torchvision as `transforms()`.
A config that leaves these settings open (null) takes them from there, for runs from scratch too,
so that all arms of a network see the same views.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ablation.config import Config, ModelConfig
from ablation.network.stages import ModelError, refuse_unknown

#: What views can be resized with.
INTERPOLATIONS = ("bilinear", "bicubic")


@dataclass(frozen=True)
class Preprocessing:
    """What a network's weights expect.

    Attributes:
        mean, std: of the pixels, 0..1, one a channel.
        size: of a view, pixels a side.
        val_crop: share of a resized image's side that a validation view keeps.
        interpolation: bilinear or bicubic.
        source: whose description it is, "timm's tf_efficientnet_lite0.in1k".
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    size: int
    val_crop: float
    interpolation: str
    source: str


def published(config: ModelConfig) -> Preprocessing:
    """The library's description of the weights that a config names.

    Of a local file, the description whose published file has the same name; else that of the
    network's first weights.

    Raises:
        ModelError: an unknown network, a missing file, or a description that can't be followed.
    """
    found = _published(config.library, config.name, config.weights)
    if found.interpolation not in INTERPOLATIONS:
        raise ModelError(
            f"data.interpolation: {found.source} asks for {found.interpolation}; choose from "
            + ", ".join(INTERPOLATIONS)
        )
    return found


def filled(config: Config) -> Config:
    """The config with what it leaves open taken from the description of the network's weights.

    Raises:
        ModelError: as `published`.
    """
    model, data = config.model, config.data
    if None not in (model.mean, model.std, data.size, data.val_crop, data.interpolation):
        return config
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
    """For the first lines of a command: how views are made, and where the weights expect others.

    Args:
        config: filled.
    """
    own, model, data = published(config.model), config.model, config.data
    made = f"{config.model.name}: views of {data.size} px, {data.interpolation}"
    made += f", mean {_levels(model.mean)}, std {_levels(model.std)}"
    expected = [
        text
        for is_own, text in (
            (data.size == own.size, f"{own.size} px"),
            (data.interpolation == own.interpolation, own.interpolation),
            (_are_near(model.mean, own.mean), f"mean {_levels(own.mean)}"),
            (_are_near(model.std, own.std), f"std {_levels(own.std)}"),
            (_are_near([data.val_crop], [own.val_crop]), f"data.val_crop {own.val_crop:.3g}"),
        )
        if not is_own
    ]
    if not expected:
        return f"{made}, as {own.source} describes it"
    return f"{made}; its weights expect {', '.join(expected)} ({own.source})"


def _levels(values: Sequence[float] | None) -> str:
    """One number where all channels share it."""
    listed = list(values or ())
    return f"{listed[0]:g}" if len(set(listed)) == 1 else f"{[round(one, 3) for one in listed]}"


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
    found = known.__members__.get(config.weights) or next(of_file, listed[0])
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
