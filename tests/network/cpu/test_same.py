"""SAME padding without copies computes what SAME padding does."""

import copy

import pytest
import torch
from torch import nn

from ablation.compat import import_torchvision
from ablation.network import model
from ablation.network.cpu import same
from ablation.network.cpu.fold import fold
from tests.network.made_up import LITE0, made_up_pictures

import_torchvision()
import timm  # noqa: E402
from timm.layers import Conv2dSame  # noqa: E402


@pytest.mark.parametrize("size", [(12, 12), (13, 12), (7, 9), (1, 1)])
@pytest.mark.parametrize(("side", "stride"), [(3, 1), (3, 2), (5, 2), (7, 2)])
def test_a_turned_convolution_is_the_same_convolution_and_has_its_gradients(
    side: int, stride: int, size: tuple[int, int]
) -> None:
    torch.manual_seed(0)
    plain = Conv2dSame(3, 4, side, stride, bias=True).double()
    turned = same.Turned(copy.deepcopy(plain))
    x = torch.randn(2, 3, *size, dtype=torch.float64, requires_grad=True)
    wanted = plain(x)
    got = turned(x.flip(2, 3)).flip(2, 3)
    torch.testing.assert_close(got, wanted)
    factors = torch.randn_like(wanted)
    (x_wanted,) = torch.autograd.grad((wanted * factors).sum(), x, retain_graph=True)
    (x_got,) = torch.autograd.grad((got * factors).sum(), x, retain_graph=True)
    torch.testing.assert_close(x_got, x_wanted)
    (wanted * factors).sum().backward()
    (got * factors).sum().backward()
    torch.testing.assert_close(turned.weight.grad, plain.weight.grad)
    torch.testing.assert_close(turned.bias.grad, plain.bias.grad)
    rotated_once = same.plain(turned)
    with torch.no_grad():
        torch.testing.assert_close(rotated_once(x.flip(2, 3)).flip(2, 3), wanted)


def test_a_network_of_same_padding_trains_as_it_does_with_padded_copies() -> None:
    torch.manual_seed(0)
    plain = timm.create_model("tf_mobilenetv3_small_minimal_100", num_classes=4)
    plain = nn.Sequential(plain).to(memory_format=torch.channels_last)
    quick = copy.deepcopy(plain)
    assert same.without_copies(quick, made_up_pictures(64)[:1])
    assert plain.state_dict().keys() == quick.state_dict().keys()
    for net in (plain, quick):
        net.double().train()
        net(made_up_pictures(64, n=4).double()).square().sum().backward()
    for (name, one), other in zip(plain.named_parameters(), quick.parameters(), strict=True):
        torch.testing.assert_close(other.grad, one.grad, rtol=1e-9, atol=1e-9, msg=name)


def test_the_cut_of_a_network_of_same_padding_keeps_its_feature_maps() -> None:
    """A partly frozen network hands on maps, which the trained part must see the right way up."""
    trunk = model.build(LITE0, 2, pretrained=True, seed=0).trunk.eval()
    below = nn.Sequential(*list(trunk)[:4])
    with torch.no_grad():
        wanted = below(made_up_pictures(64))
        folded = fold(below, made_up_pictures(64)[:1])
        assert folded is not below
        torch.testing.assert_close(folded(made_up_pictures(64)), wanted, rtol=1e-3, atol=1e-4)


def test_a_network_that_mixes_both_paddings_is_left_as_it_is() -> None:
    for other in (nn.Conv2d(4, 4, 3, 2, 1), nn.Conv2d(4, 4, 2), Conv2dSame(4, 4, 3, 3)):
        net = nn.Sequential(nn.Sequential(Conv2dSame(3, 4, 3, 2), other), nn.AdaptiveAvgPool2d(1))
        assert not same.without_copies(net, made_up_pictures(64))
        assert not any(isinstance(part, same.Turned) for part in net.modules())
    net = nn.Sequential(nn.Sequential(Conv2dSame(3, 4, 3, 2)), nn.MaxPool2d(3, 2), nn.Flatten())
    wanted = net(made_up_pictures(64))
    assert not same.without_copies(net, made_up_pictures(64))
    assert torch.equal(net(made_up_pictures(64)), wanted)
