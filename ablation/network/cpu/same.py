"""TensorFlow's SAME padding without a padded copy of each feature map.

A network whose weights are TensorFlow's pads an even feature map before a strided convolution by
one row less in front than behind. torch pads both sides alike, so timm copies each such map into a
padded one, a tenth of a training step. Turned by 180 degrees, the same convolution needs its larger
padding in front, and what torch adds behind is never read: the turned network computes the same
function with ordinary padding. What changes is one turn of the images, and of the filters, which
are small.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

#: Largest relative change of an output that counts as rounding.
ROUNDING = 1e-4


class Turned(nn.Conv2d):
    """A convolution of feature maps that are turned by 180 degrees.

    Its weights are those of the convolution that it stands for, under the same names.
    """

    is_turned = True

    def __init__(self, layer: nn.Conv2d) -> None:
        super().__init__(
            *(layer.in_channels, layer.out_channels, layer.kernel_size),  # type: ignore[arg-type]
            stride=layer.stride,  # type: ignore[arg-type]
            padding=tuple(side // 2 for side in layer.kernel_size),  # type: ignore[arg-type]
            groups=layer.groups,
            bias=layer.bias is not None,
            device="meta",
        )
        self.weight, self.bias = layer.weight, layer.bias
        self.train(layer.training)

    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return super()._conv_forward(x, weight.flip(2, 3), bias)  # type: ignore[no-any-return]


def plain(layer: nn.Conv2d) -> nn.Conv2d:
    """For inference: a turned convolution whose filters are turned once and for all."""
    made = nn.Conv2d(
        *(layer.in_channels, layer.out_channels, layer.kernel_size),  # type: ignore[arg-type]
        stride=layer.stride,  # type: ignore[arg-type]
        padding=layer.padding,  # type: ignore[arg-type]
        groups=layer.groups,
        device="meta",
    )
    turned = layer.weight.detach().flip(2, 3)
    made.weight, made.bias = nn.Parameter(turned, requires_grad=False), layer.bias
    return made


def turn(x: Tensor) -> Tensor:
    """Images or feature maps turned by 180 degrees; pooled features as they are."""
    return x.flip(2, 3) if x.dim() == 4 else x


@torch.no_grad()
def without_copies(module: nn.Sequential, probe: Tensor) -> bool:
    """Let a network of SAME convolutions compute on turned images, in place.

    Its outputs are the same within rounding, which is checked on the probe; a network for which
    they are not, or that has no such convolutions, is left as it was.

    Args:
        module: in evaluation mode from here on.
        probe: a few of its inputs, shape (n, n_channels, height, width).

    Returns:
        Whether it was changed.
    """
    module.eval()
    places = list(_places(module))
    if not any(_is_same(layer) for _, _, layer in places):
        return False
    if not all(_can_turn(layer) for _, _, layer in places):
        return False
    wanted = module(probe)
    for block, name, layer in places:
        setattr(block, name, Turned(layer))
    hooks = [module[0].register_forward_pre_hook(_turn_input)]
    if wanted.dim() == 4:
        hooks.append(module[-1].register_forward_hook(_turn_output))
    if are_same(wanted, module(probe)):
        return True
    for block, name, layer in places:
        setattr(block, name, layer)
    for hook in hooks:
        hook.remove()
    return False


def _places(module: nn.Module) -> Iterator[tuple[nn.Module, str, nn.Conv2d]]:
    """The convolutions to which it matters which way a feature map is turned."""
    for block in list(module.modules()):
        for name, layer in list(block.named_children()):
            if not isinstance(layer, nn.Conv2d):
                continue
            if layer.kernel_size != (1, 1) or layer.stride != (1, 1):
                yield block, name, layer


def _is_same(layer: nn.Conv2d) -> bool:
    # By its name: to import timm for a network of torchvision would take a second.
    return type(layer).__name__ == "Conv2dSame"


def _can_turn(layer: nn.Conv2d) -> bool:
    """Whether ordinary padding of half a filter does on turned maps what the layer does."""
    sides, half = layer.kernel_size, tuple(side // 2 for side in layer.kernel_size)
    is_odd = all(side % 2 and side > 1 for side in sides) and layer.dilation == (1, 1)
    if _is_same(layer):
        return is_odd and layer.stride in ((1, 1), (2, 2))
    is_plain = type(layer) is nn.Conv2d and layer.padding_mode == "zeros"
    return is_plain and is_odd and layer.stride == (1, 1) and layer.padding == half


def are_same(wanted: Tensor, got: Tensor) -> bool:
    """Whether two outputs differ by rounding at most."""
    return bool((wanted - got).abs().max() <= ROUNDING * wanted.abs().max())


def _turn_input(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return (turn(inputs[0]), *inputs[1:])


def _turn_output(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    return turn(output)
