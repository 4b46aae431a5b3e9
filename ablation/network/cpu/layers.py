"""Layers that train faster on a CPU: BatchNorm with its activation, and convolutions around it.

A small network's training step on a CPU is bounded by the memory that BatchNorm, its activation
and their gradients pass through, and by the gradient of depthwise filters, for which oneDNN has
no fast path from 5×5 on. The layers here compute the same functions with fewer passes over their
maps.

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


def _is_map(x: Tensor) -> bool:
    """Whether the kernels can read it: float32 on the CPU, channels last."""
    is_last = x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last)
    return is_last and x.numel() > 0 and is_plain(x)


def _is_read(weight: Tensor, shape: tuple[int, ...]) -> bool:
    """Whether the kernels can read a weight or a statistic, and it is of the shape it should be."""
    return weight.dtype == torch.float32 and weight.shape == shape


#: Places of a picture's map from which on a widening is worth its own way.
PLACES = 512


class Norm(nn.BatchNorm2d):
    """BatchNorm2d and the activation that follows it, if it has one."""

    def __init__(self, layer: nn.BatchNorm2d) -> None:
        super().__init__(layer.num_features, layer.eps, layer.momentum)
        self.weight, self.bias = layer.weight, layer.bias
        for name, value in layer.named_buffers(recurse=False):
            self.register_buffer(name, value)
        self.act: nn.Module = getattr(layer, "act", None) or nn.Identity()
        self._cuts = bounds(self.act)
        #: The filters of the convolution before, where it has left its work on the next maps; in a
        #: tuple, they are no weight of this layer.
        self.left: tuple[Tensor, ...] = ()
        self.train(layer.training)

    def forward(self, x: Tensor) -> Tensor:
        filters, self.left = self.left, ()
        if not filters and not self._can_take(x):
            return self.act(super().forward(x))  # type: ignore[no-any-return]
        if self.num_batches_tracked is not None:
            self.num_batches_tracked += 1
        rest = (self.weight, self.bias, self, self._cuts or UNBOUNDED)
        way = _Widen if filters else _Normalise
        y = way.apply(x, *filters, *rest)  # type: ignore[no-untyped-call]
        return y if self._cuts else self.act(y)  # type: ignore[no-any-return]

    def _can_take(self, x: Tensor) -> bool:
        """Whether the kernels may normalise it; what torch refuses is left to torch to refuse."""
        is_whole = _is_map(x) and x.shape[1] == self.num_features
        # Of one value a channel nothing is left once its mean is taken away.
        return is_whole and self.is_ready and x.numel() > self.num_features

    @property
    def is_ready(self) -> bool:
        """Whether it trains, and weights and statistics are what the kernels read."""
        return (
            self.training
            and self.momentum is not None
            and all(
                value is not None and _is_read(value, (self.num_features,))
                for value in (self.weight, self.bias, self.running_mean, self.running_var)
            )
        )


class _Normalise(torch.autograd.Function):
    """clamp((x - mean) / deviation · weight + bias, low, high), of the batch's own statistics."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, norm: Norm, cuts: Bounds
    ) -> Tensor:
        y = torch.empty_like(x)
        channels = (weight, bias, norm.running_mean, norm.running_var)
        values = [value.detach().numpy() for value in channels if value is not None]
        cuts_ = np.array(cuts, np.float32)
        n = _n_together(x)
        kept = kernels.normalise(_rows(x, n), *values, norm.momentum, norm.eps, cuts_, _rows(y, n))
        ctx.save_for_backward(x)
        ctx.kept = kept, cuts_
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (x,) = ctx.saved_tensors
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        of_x = torch.empty_like(x)
        n = _n_together(x)
        maps = (_rows(value, n) for value in (x, gradient))
        found = kernels.differentiate(*maps, *ctx.kept, _rows(of_x, n))
        of_weight, of_bias = torch.from_numpy(found).float()
        return of_x, of_weight, of_bias, None, None


class Widening(nn.Conv2d):
    """A pointwise convolution to more channels, which in training leaves its work to its norm.

    There it hands on its input as it is, and tells the norm so. What torch would refuse is left to
    torch to refuse.
    """

    def __init__(self, layer: nn.Conv2d, norm: Norm) -> None:
        super().__init__(layer.in_channels, layer.out_channels, 1, bias=False, device="meta")
        self.weight = layer.weight
        # In a tuple, it is no child of this layer.
        self._norm = (norm,)
        self.train(layer.training)

    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        (norm,) = self._norm
        is_left = (
            _is_map(x)
            and x.shape[1] == self.in_channels
            and x.shape[2] * x.shape[3] >= PLACES
            and bias is None
            and _is_read(weight, (norm.num_features, self.in_channels, 1, 1))
            and norm.is_ready
        )
        norm.left = (weight,) if is_left else ()
        return x if is_left else super()._conv_forward(x, weight, bias)


class _Widen(torch.autograd.Function):
    """A pointwise convolution, BatchNorm and an activation that cuts, y = clamp(A x + b).

    Mean and variance of the convolution's output W x follow from mean and covariance of x, which
    has fewer channels. So the output is normalised and cut where it is made; and neither it nor
    its gradient, G = scale · g + slope · W x + level with g the gradient that the activation lets
    by, is ever a map in memory: G W = g (scale · W) + x (Wᵀ slope W) + level W, and in the same
    way Gᵀ x needs gᵀ x and the covariance alone.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        filters: Tensor,
        weight: Tensor,
        bias: Tensor,
        norm: Norm,
        cuts: Bounds,
    ) -> Tensor:
        pixels = _pixels(x)
        n_rows = pixels.shape[0] * pixels.shape[1]
        # From a value near them: a covariance that is a difference of products loses its digits
        # where means are large. Products are of one picture, in float32; their sum in float64.
        near = pixels[0, 0].clone()
        distance = pixels - near
        offset = distance.sum(1).sum(0, dtype=torch.float64) / n_rows
        products = torch.bmm(distance.transpose(1, 2), distance).sum(0, dtype=torch.float64)
        covariance = products / n_rows - torch.outer(offset, offset)
        mean_x = near + offset

        w = filters.flatten(1).double()
        spread = w @ covariance
        mean = w @ mean_x
        variance = (spread * w).sum(1).clamp(min=0)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        assert norm.momentum is not None
        unbiased = variance * (n_rows / max(n_rows - 1, 1))
        norm.running_mean.lerp_(mean.float(), norm.momentum)
        norm.running_var.lerp_(unbiased.float(), norm.momentum)

        inverse = (variance + norm.eps).rsqrt()
        scale = weight * inverse
        scaled = (scale[:, None] * w).float()[..., None, None]
        shift = (bias - mean * scale).float()
        shape = {"stride": [1, 1], "padding": [0, 0], "dilation": [1, 1], "groups": 1}
        y = clamped(x, scaled, shift, cuts, **shape)
        # An output that is not cut here is not looked at again; what comes next may overwrite it.
        ctx.save_for_backward(x, None if cuts == UNBOUNDED else y, scaled)
        ctx.kept = w, spread * n_rows, mean_x, mean, inverse, scale, cuts
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, y, scaled = ctx.saved_tensors
        w, spread, mean_x, mean, inverse, scale, cuts = ctx.kept
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        pixels = _pixels(x)
        n_rows = pixels.shape[0] * pixels.shape[1]
        if y is None:
            let_by = gradient
            of_bias = _pixels(let_by).sum(1).sum(0, dtype=torch.float64)
        else:
            let_by = torch.empty_like(y)
            n = _n_together(y)
            maps = (_rows(value, n) for value in (y, gradient))
            cuts_ = np.array(cuts, np.float32)
            found = kernels.let_by(*maps, cuts_, y.shape[1], _rows(let_by, n))
            of_bias = torch.from_numpy(found)
        with_x = torch.bmm(pixels.transpose(1, 2), _pixels(let_by)).sum(0, dtype=torch.float64).T
        of_weight = ((with_x * w).sum(1) - mean * of_bias) * inverse
        slope = -scale * inverse * of_weight / n_rows
        level = -scale * of_bias / n_rows - slope * mean
        of_filters = scale[:, None] * (with_x - torch.outer(of_bias, mean_x))
        of_filters += slope[:, None] * spread
        of_x = None
        if ctx.needs_input_grad[0]:
            of_x = torch.ops.aten.convolution_backward(
                *(let_by, x, scaled, None, [1, 1], [0, 0], [1, 1]),
                *(False, [0, 0], 1, [True, False, False]),
            )[0]
            flat = _pixels(of_x).flatten(0, 1)
            flat += (level @ w).float()
            flat.addmm_(pixels.flatten(0, 1), (w.T * slope @ w).float())
        as_filters = of_filters.float()[..., None, None]
        return of_x, as_filters, of_weight.float(), of_bias.float(), None, None


class Depthwise(nn.Conv2d):
    """A depthwise convolution of 5×5 or more, whose filters' gradient is computed here."""

    def __init__(self, layer: nn.Conv2d) -> None:
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
            of_x = torch.ops.aten.convolution_backward(
                *(gradient, x, weight, None, [stride] * 2, [padding] * 2, [1, 1]),
                *(False, [0, 0], len(weight), [True, False, False]),
            )[0]
        n, n_channels, height, width = x.shape
        side = weight.shape[-1]
        x_, gradient_ = (_rows(value).reshape(n, -1) for value in (x, gradient))
        shapes = np.array([height, width, *gradient.shape[2:], n_channels, side, stride, padding])
        sums = np.zeros((min(n, kernels.N_CHUNKS), side * side * n_channels), np.float32)
        kernels.add_filters(x_, gradient_, shapes, sums)
        of_weight = sums.sum(0).reshape(-1, n_channels).T.reshape(weight.shape)
        return of_x, torch.from_numpy(np.ascontiguousarray(of_weight)), None, None


def _pixels(x: Tensor) -> Tensor:
    """A map, shape (n, n_channels, height, width), as (n, height · width, n_channels)."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)


def _rows(x: Tensor, n_together: int = 1) -> npt.NDArray[np.float32]:
    """A map as the kernels read it, with so many of its rows side by side."""
    rows = x.detach().permute(0, 2, 3, 1).numpy()
    return rows.reshape(-1, n_together * x.shape[1])


def _n_together(x: Tensor) -> int:
    """For inner loops that are long where channels are few."""
    n_rows, n_together = x.numel() // x.shape[1], 1
    while n_together * x.shape[1] < 256 and n_rows % (2 * n_together) == 0:
        n_together *= 2
    return n_together
