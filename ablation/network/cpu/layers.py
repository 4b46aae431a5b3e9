"""Layers that train faster on a CPU: BatchNorm with its activation, and convolutions around it.

The training step of a small network on a CPU is bound by memory: by the passes of BatchNorm, its
activation and their gradients over the feature maps. A further part is the gradient of depthwise
filters, for which oneDNN has no fast code from 5×5 on. The layers here compute the same functions
with fewer passes over the feature maps.

The gradient of BatchNorm is that of Ioffe and Szegedy (2015), arXiv:1502.03167.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from ablation.network.cpu import kernels
from ablation.network.cpu.fold import UNBOUNDED, Bounds, bounds, clamped, is_plain
from ablation.network.cpu.same import Turned

#: Pixels of a feature map from which on `Widening` is faster than a convolution and a norm.
PIXELS = 512


class Norm(nn.BatchNorm2d):
    """BatchNorm2d and the activation after it, if it has one.

    What the kernels can't compute, and what torch refuses, is left to torch.
    """

    def __init__(self, layer: nn.BatchNorm2d) -> None:
        """
        Args:
            layer: whose weights, buffers and activation this one uses; torch's, or timm's
                BatchNormAct2d.
        """
        super().__init__(layer.num_features, layer.eps, layer.momentum)
        self.weight, self.bias = layer.weight, layer.bias
        for name, value in layer.named_buffers(recurse=False):
            self.register_buffer(name, value)
        self.act: nn.Module = getattr(layer, "act", None) or nn.Identity()
        self._limits = bounds(self.act)
        #: The filters of the convolution before, where it leaves its work on the next feature map
        #: to this layer. In a tuple, so that they do not become a weight of this layer.
        self.left: tuple[Tensor, ...] = ()
        self.train(layer.training)

    def forward(self, x: Tensor) -> Tensor:
        filters, self.left = self.left, ()
        if not filters and not self._can_take(x):
            return self.act(super().forward(x))  # type: ignore[no-any-return]
        if self.num_batches_tracked is not None:
            self.num_batches_tracked += 1
        rest = (self.weight, self.bias, self, self._limits or UNBOUNDED)
        function = _Widen if filters else _Normalise
        y = function.apply(x, *filters, *rest)  # type: ignore[no-untyped-call]
        return y if self._limits else self.act(y)  # type: ignore[no-any-return]

    def _can_take(self, x: Tensor) -> bool:
        """Whether the kernels can normalise x."""
        is_whole = _is_map(x) and x.shape[1] == self.num_features
        # With one value per channel, nothing is left after subtracting the mean.
        return is_whole and self.is_ready and x.numel() > self.num_features

    @property
    def is_ready(self) -> bool:
        """Whether it is in training mode, with weights and statistics that the kernels can read."""
        return (
            self.training
            and self.momentum is not None
            and all(
                value is not None and _is_read(value, (self.num_features,))
                for value in (self.weight, self.bias, self.running_mean, self.running_var)
            )
        )


class _Normalise(torch.autograd.Function):
    """clamp((x - mean) / deviation · weight + bias, low, high), with the batch's own statistics."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, norm: Norm, limits: Bounds
    ) -> Tensor:
        y = torch.empty_like(x)
        own = (weight, bias, norm.running_mean, norm.running_var)
        channels = tuple(value.detach().numpy() for value in own if value is not None)
        constants = (norm.momentum, norm.eps)
        limits_ = np.array(limits, np.float32)
        k = _n_together(x)
        kept = kernels.normalise(_rows(x, k), channels, constants, limits_, _rows(y, k))
        ctx.save_for_backward(x)
        ctx.kept = kept, limits_
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (x,) = ctx.saved_tensors
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        of_x = torch.empty_like(x)
        k = _n_together(x)
        maps = (_rows(value, k) for value in (x, gradient))
        found = kernels.differentiate(*maps, *ctx.kept, _rows(of_x, k))
        of_weight, of_bias = torch.from_numpy(found).float()
        return of_x, of_weight, of_bias, None, None


class Widening(nn.Conv2d):
    """A 1×1 convolution to more channels that in training leaves its work to the norm after it.

    It then returns its input unchanged and hands its filters to the norm, which computes both. What
    torch refuses is left to torch.
    """

    def __init__(self, layer: nn.Conv2d, norm: Norm) -> None:
        """
        Args:
            layer: whose weight this one uses.
            norm: the only layer that is given the convolution's output.
        """
        super().__init__(layer.in_channels, layer.out_channels, 1, bias=False, device="meta")
        self.weight = layer.weight
        # In a tuple, so that it does not become a child of this layer.
        self._norm = (norm,)
        self.train(layer.training)

    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        (norm,) = self._norm
        is_left = (
            _is_map(x)
            and x.shape[1] == self.in_channels
            and x.shape[2] * x.shape[3] >= PIXELS
            and bias is None
            and _is_read(weight, (norm.num_features, self.in_channels, 1, 1))
            and norm.is_ready
        )
        norm.left = (weight,) if is_left else ()
        return x if is_left else super()._conv_forward(x, weight, bias)


class _Widen(torch.autograd.Function):
    """A 1×1 convolution, BatchNorm and a clamping activation in one: y = clamp(A x + b).

    Mean and variance of the convolution's output W x follow from mean and covariance of x, which
    has fewer channels. So the output is normalised and clamped where it is computed, and neither
    W x nor its gradient is ever stored as a feature map. With g the gradient of y before the clamp,
    the gradient of W x is G = scale · g + slope · W x + level, so that
    G W = g (scale · W) + x (Wᵀ slope W) + level W. In the same way, Gᵀ x only takes gᵀ x and the
    covariance.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        filters: Tensor,
        weight: Tensor,
        bias: Tensor,
        norm: Norm,
        limits: Bounds,
    ) -> Tensor:
        mean_x, covariance = _moments(x)
        w = filters.flatten(1).double()
        spread = w @ covariance
        mean = w @ mean_x
        variance = (spread * w).sum(1).clamp(min=0)
        n_rows = x.numel() // x.shape[1]
        _update_statistics(norm, mean, variance, n_rows)

        inverse = (variance + norm.eps).rsqrt()
        scale = weight * inverse
        scaled = (scale[:, None] * w).float()[..., None, None]
        shift = (bias - mean * scale).float()
        shape = {"stride": [1, 1], "padding": [0, 0], "dilation": [1, 1], "groups": 1}
        y = clamped(x, scaled, shift, limits, **shape)
        # Without a clamp, y is not used in the backward pass, and the next layer may overwrite it.
        ctx.save_for_backward(x, None if limits == UNBOUNDED else y, scaled)
        ctx.kept = w, spread * n_rows, mean_x, mean, inverse, scale, limits
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, y, scaled = ctx.saved_tensors
        w, spread, mean_x, mean, inverse, scale, limits = ctx.kept
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        pixels = _pixels(x)
        n_rows = pixels.shape[0] * pixels.shape[1]
        g, of_bias = _before_clamp(y, gradient, limits)
        g_x = torch.bmm(pixels.transpose(1, 2), _pixels(g)).sum(0, dtype=torch.float64).T
        of_weight = ((g_x * w).sum(1) - mean * of_bias) * inverse
        slope = -scale * inverse * of_weight / n_rows
        level = -scale * of_bias / n_rows - slope * mean
        of_filters = scale[:, None] * (g_x - torch.outer(of_bias, mean_x))
        of_filters += slope[:, None] * spread
        of_x = None
        if ctx.needs_input_grad[0]:
            of_x = _of_input(g, x, scaled, stride=1, padding=0, groups=1)
            flat = _pixels(of_x).flatten(0, 1)
            flat += (level @ w).float()
            flat.addmm_(pixels.flatten(0, 1), (w.T * slope @ w).float())
        as_filters = of_filters.float()[..., None, None]
        return of_x, as_filters, of_weight.float(), of_bias.float(), None, None


def _moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and covariance of a feature map over its pixels: float64, shapes (n,) and (n, n)."""
    pixels = _pixels(x)
    n_rows = pixels.shape[0] * pixels.shape[1]
    # Of differences to one of the pixels: a covariance as a difference of products would lose its
    # digits where means are large. The products of one picture are in float32, sums in float64.
    near = pixels[0, 0].clone()
    distance = pixels - near
    offset = distance.sum(1).sum(0, dtype=torch.float64) / n_rows
    products = torch.bmm(distance.transpose(1, 2), distance).sum(0, dtype=torch.float64)
    return near + offset, products / n_rows - torch.outer(offset, offset)


def _update_statistics(norm: Norm, mean: Tensor, variance: Tensor, n_rows: int) -> None:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert norm.momentum is not None
    unbiased = variance * (n_rows / max(n_rows - 1, 1))
    norm.running_mean.lerp_(mean.float(), norm.momentum)
    norm.running_var.lerp_(unbiased.float(), norm.momentum)


def _before_clamp(y: Tensor | None, gradient: Tensor, limits: Bounds) -> tuple[Tensor, Tensor]:
    """The gradient before the clamp, and its sum over the pixels in float64, shape (n_channels,).

    Args:
        y: output of the clamp; None where there is no clamp.
        gradient: of the output.
        limits: of the clamp.
    """
    if y is None:
        return gradient, _pixels(gradient).sum(1).sum(0, dtype=torch.float64)
    g = torch.empty_like(y)
    k = _n_together(y)
    maps = (_rows(value, k) for value in (y, gradient))
    limits_ = np.array(limits, np.float32)
    of_bias = kernels.clamp_gradient(*maps, limits_, y.shape[1], _rows(g, k))
    return g, torch.from_numpy(of_bias)


class Depthwise(nn.Conv2d):
    """A depthwise convolution of 5×5 or more, whose filters' gradient is computed by a kernel."""

    def __init__(self, layer: nn.Conv2d) -> None:
        """
        Args:
            layer: whose weight this one uses.
        """
        super().__init__(
            *(layer.in_channels, layer.out_channels, layer.kernel_size),  # type: ignore[arg-type]
            stride=layer.stride,  # type: ignore[arg-type]
            padding=layer.padding,  # type: ignore[arg-type]
            groups=layer.groups,
            bias=False,
            device="meta",
        )
        self.weight = layer.weight
        self.is_turned = isinstance(layer, Turned)
        self.train(layer.training)

    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if self.is_turned:
            weight = weight.flip(2, 3)
        is_trained = torch.is_grad_enabled() and weight.requires_grad
        shape = (self.out_channels, 1, *self.kernel_size)
        if not (is_trained and bias is None and _is_map(x) and _is_read(weight, shape)):
            return super()._conv_forward(x, weight, bias)  # type: ignore[no-any-return]
        return _Filter.apply(x, weight, self.stride[0], self.padding[0])  # type: ignore[no-any-return, no-untyped-call]


class _Filter(torch.autograd.Function):
    """A depthwise convolution: torch's own but for the gradient of its filters."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.kept = stride, padding
        return F.conv2d(x, weight, None, stride, padding, groups=len(weight))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        stride, padding = ctx.kept
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        of_x = None
        if ctx.needs_input_grad[0]:
            of_x = _of_input(
                gradient, x, weight, stride=stride, padding=padding, groups=len(weight)
            )
        n, n_channels, height, width = x.shape
        side = weight.shape[-1]
        x_, gradient_ = (_rows(value).reshape(n, -1) for value in (x, gradient))
        shapes = np.array([height, width, *gradient.shape[2:], n_channels, side, stride, padding])
        sums = np.zeros((min(n, kernels.N_CHUNKS), side * side * n_channels), np.float32)
        kernels.add_filters(x_, gradient_, shapes, sums)
        of_weight = sums.sum(0).reshape(-1, n_channels).T.reshape(weight.shape)
        return of_x, torch.from_numpy(np.ascontiguousarray(of_weight)), None, None


def _of_input(
    gradient: Tensor, x: Tensor, weight: Tensor, *, stride: int, padding: int, groups: int
) -> Tensor:
    """torch's gradient of a convolution's input x, from the gradient of its output."""
    of_x, _, _ = torch.ops.aten.convolution_backward(
        *(gradient, x, weight, None, [stride] * 2, [padding] * 2, [1, 1]),
        *(False, [0, 0], groups, [True, False, False]),
    )
    assert isinstance(of_x, Tensor)
    return of_x


def _is_map(x: Tensor) -> bool:
    """Whether x is a feature map that the kernels can read: float32 on the CPU, channels last."""
    is_last = x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last)
    return is_last and x.numel() > 0 and is_plain(x)


def _is_read(weight: Tensor, shape: tuple[int, ...]) -> bool:
    """Whether the kernels can read a weight or a statistic, and it has the shape it should have."""
    return weight.dtype == torch.float32 and weight.shape == shape


def _pixels(x: Tensor) -> Tensor:
    """A feature map (n, n_channels, height, width) as (n, height · width, n_channels)."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)


def _rows(x: Tensor, k: int = 1) -> npt.NDArray[np.float32]:
    """A feature map as the kernels read it, with k of its pixels in a row."""
    rows = x.detach().permute(0, 2, 3, 1).numpy()
    return rows.reshape(-1, k * x.shape[1])


def _n_together(x: Tensor) -> int:
    """How many pixels the kernels are given as one row, so that inner loops are long."""
    n_rows, k = x.numel() // x.shape[1], 1
    while k * x.shape[1] < 256 and n_rows % (2 * k) == 0:
        k *= 2
    return k
