"""Networks lose their last layer and nothing else, and are cut into stages."""

import pytest
import torch
from torch import nn

from ablation.config import ModelConfig
from ablation.network import model


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small"])
def test_networks_without_a_level_of_their_own_are_cut_into_stages(name: str) -> None:
    config = ModelConfig("torchvision", name, "")
    trunk = model.build(config, 2, pretrained=False, seed=0).trunk
    assert len(trunk) > 4
    assert trunk(torch.zeros(2, 3, 64, 64)).shape == (2, {"resnet18": 512}.get(name, 1024))


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
