"""A folded network computes what the network itself computes in evaluation mode."""

import pytest
import torch
from torch import nn

from ablation.compat import import_torchvision
from ablation.config import ModelConfig
from ablation.network import model
from ablation.network.cpu import fold as folding
from ablation.network.cpu.fold import fold
from ablation.network.cpu.replace import replace_layers
from tests.network.cpu.made_up import maps, norm_of
from tests.network.made_up import LITE0

import_torchvision()
import timm  # noqa: E402


@pytest.mark.parametrize("kind", ["none", "ReLU", "ReLU6", "SiLU"])
@pytest.mark.parametrize("shape", [(16, 3, 1, 1), (16, 3, 2, 1), (16, 5, 1, 16), (24, 1, 1, 1)])
def test_a_convolution_and_its_norm_are_folded_into_one_layer(
    kind: str, shape: tuple[int, int, int, int]
) -> None:
    n_out, side, stride, groups = shape
    torch.manual_seed(0)
    conv = nn.Conv2d(16, n_out, side, stride, side // 2, groups=groups, bias=kind == "ReLU")
    block, x = nn.Sequential(conv, norm_of(kind, n_out)), maps(3, 16, 11, 10)
    block.to(memory_format=torch.channels_last)
    block(x)  # running statistics that are not those of the start
    folded = fold(block, x[:2])
    assert folded is not block
    assert not any(isinstance(part, nn.BatchNorm2d) for part in folded.modules())
    assert any(isinstance(part, folding.Clamped) for part in folded.modules()) == ("ReLU" in kind)
    with torch.no_grad():
        torch.testing.assert_close(folded(x), block.eval()(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("limits", [folding.UNBOUNDED, (0.0, torch.inf), (0.0, 6.0), (-1.0, 2.0)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@torch.no_grad()
def test_a_clamped_convolution_is_a_convolution_and_a_clamp(
    dtype: torch.dtype, limits: folding.Bounds
) -> None:
    conv, x = nn.Conv2d(6, 8, 3, 2, 1).to(dtype), maps(2, 6, 9, 9).to(dtype)
    wanted = conv(x).clamp(*limits)
    torch.testing.assert_close(folding.Clamped(conv, limits)(x), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", [LITE0.name, "resnet18", "mobilenet_v3_small"])
def test_folding_leaves_the_features_as_they_were(name: str) -> None:
    network = LITE0 if name == LITE0.name else ModelConfig("torchvision", name, "")
    trunk = model.build(network, 2, pretrained=network is LITE0, seed=0).trunk.eval()
    views = torch.rand(4, 3, 64, 64)
    folded = fold(trunk, views)
    assert folded is not trunk
    assert not any(isinstance(part, nn.BatchNorm2d) for part in folded.modules())
    with torch.no_grad():
        torch.testing.assert_close(folded(views), trunk(views), rtol=1e-4, atol=1e-4)


def test_folding_is_given_up_where_it_would_change_the_function() -> None:
    class Misleading(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 1)
            self.norm = nn.BatchNorm2d(3)

        def forward(self, views: torch.Tensor) -> torch.Tensor:
            return self.conv(torch.relu(self.norm(views)))

    module = Misleading()
    module.norm.running_mean.fill_(0.3)
    assert fold(module, torch.rand(2, 3, 8, 8)) is module


@pytest.mark.parametrize("kind", ["ReLU6", "SiLU"])
def test_trained_layers_can_be_folded_to_be_judged(kind: str) -> None:
    conv = nn.Conv2d(24, 24, 5, padding=2, groups=24, bias=False)
    block, x = nn.Sequential(conv, norm_of(kind, 24)), maps(4, 24, 9, 9)
    replace_layers(block, x)
    block(x).sum().backward()
    folded = fold(block, x)
    assert not any(isinstance(part, nn.BatchNorm2d) for part in folded.modules())
    with torch.no_grad():
        assert torch.allclose(folded(x), block(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["efficientnet_lite0", "tf_efficientnet_lite0", "resnet18"])
def test_a_folded_network_judges_as_it_did(name: str) -> None:
    """The second pads its strided convolutions by the size of what it is given."""
    torch.manual_seed(0)
    network = timm.create_model(name, num_classes=3).eval()
    for norm in (m for m in network.modules() if isinstance(m, nn.BatchNorm2d)):
        nn.init.uniform_(norm.running_mean, -0.5, 0.5)
        nn.init.uniform_(norm.running_var, 0.5, 2)
        nn.init.normal_(norm.bias)
    x = maps(3, 3, 75, 64)
    folded = fold(network, x[:2])
    assert not any(isinstance(part, nn.BatchNorm2d) for part in folded.modules())
    with torch.no_grad():
        wanted, got = network(x), folded(x)
    assert (wanted - got).abs().max() < 1e-4 * wanted.abs().max()
