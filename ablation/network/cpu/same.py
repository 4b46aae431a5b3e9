"""TensorFlow's SAME padding without a padded copy of each feature map.

A network with TensorFlow's weights pads a feature map of even size before a strided convolution
with one row less in front than behind. torch pads both sides alike, so timm first copies each such
feature map into a padded one, which takes a tenth of a training step.

On feature maps that are rotated by 180 degrees, the same convolution has its larger padding in
front. That is torch's ordinary padding, for what torch adds behind is never read. So the pictures
and the filters, which are small, are rotated, and no feature map is copied.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

#: Largest relative change of an output that counts as rounding.
ROUNDING = 1e-4


class Turned(nn.Conv2d):
    """A convolution of feature maps that are rotated by 180 degrees.

    Its weight and bias are those of the layer that it replaces, under the same names.
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
    """A `Turned` convolution for inference: a plain one whose filters are rotated once.

    Args:
        layer: of which a copy is made; its weights are detached.
    """
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


@torch.no_grad()
def without_copies(module: nn.Sequential, probe: Tensor) -> bool:
    """Let a network with SAME convolutions compute on rotated feature maps, in place.

    Its outputs stay the same within rounding, which is checked on the probe. A network for which
    they do not, or without such convolutions, is left as it was.

    Args:
        module: in evaluation mode afterwards.
        probe: a few of its inputs, shape (n, n_channels, height, width).

    Returns:
        Whether the network was changed.
    """
    module.eval()
    layers = list(_directed(module))
    if not any(_is_same(layer) for _, _, layer in layers):
        return False
    if not all(_can_turn(layer) for _, _, layer in layers):
        return False
    wanted = module(probe)
    for block, name, layer in layers:
        setattr(block, name, Turned(layer))
    hooks = [module[0].register_forward_pre_hook(_turn_input)]
    if wanted.dim() == 4:
        hooks.append(module[-1].register_forward_hook(_turn_output))
    if are_same(wanted, module(probe)):
        return True
    for block, name, layer in layers:
        setattr(block, name, layer)
    for hook in hooks:
        hook.remove()
    return False


def are_same(wanted: Tensor, got: Tensor) -> bool:
    """Whether two outputs differ at most by rounding; not where one of them has a NaN."""
    return bool((wanted - got).abs().max() <= ROUNDING * wanted.abs().max())


def _directed(module: nn.Module) -> Iterator[tuple[nn.Module, str, nn.Conv2d]]:
    """The convolutions whose output depends on the direction of the feature map.

    Yields:
        The block that holds one, its name there, and the convolution.
    """
    for block in list(module.modules()):
        for name, layer in list(block.named_children()):
            if not isinstance(layer, nn.Conv2d):
                continue
            if layer.kernel_size != (1, 1) or layer.stride != (1, 1):
                yield block, name, layer


def _is_same(layer: nn.Conv2d) -> bool:
    # By the name of its class: importing timm for a network of torchvision would take a second.
    return type(layer).__name__ == "Conv2dSame"


def _can_turn(layer: nn.Conv2d) -> bool:
    """Whether the layer, on rotated feature maps, is one with ordinary padding of half a filter."""
    sides, half = layer.kernel_size, tuple(side // 2 for side in layer.kernel_size)
    is_odd = all(side % 2 and side > 1 for side in sides) and layer.dilation == (1, 1)
    if _is_same(layer):
        return is_odd and layer.stride in ((1, 1), (2, 2))
    is_plain = type(layer) is nn.Conv2d and layer.padding_mode == "zeros"
    return is_plain and is_odd and layer.stride == (1, 1) and layer.padding == half


def _turn(x: Tensor) -> Tensor:
    """Pictures or feature maps rotated by 180 degrees; pooled features as they are."""
    return x.flip(2, 3) if x.dim() == 4 else x


def _turn_input(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return (_turn(inputs[0]), *inputs[1:])


def _turn_output(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    return _turn(output)
