"""BatchNorm with its activation, and wide depthwise filters, trained faster on a CPU.

A small network's training step on a CPU is bounded by the memory that BatchNorm, its activation
and their gradients pass through, and by the gradient of depthwise filters, for which oneDNN has
no fast path from 5×5 on. The layers here compute the same functions with fewer passes over their
maps. Sums are taken over a fixed number of chunks, so that results do not depend on the number of
threads.

The gradient of BatchNorm is that of Ioffe and Szegedy (2015), arXiv:1502.03167.
"""

import functools
from collections.abc import Sequence
from typing import Any, TypeGuard

import numba
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

Array = npt.NDArray[Any]
#: Below and above which an activation cuts.
Bounds = tuple[float, float]

#: Parts into which the rows of a map are cut; each is summed on its own.
N_CHUNKS = 32
#: Rows that are summed in float32 before they are added to a sum in float64.
BLOCK = 32
#: Channels of a depthwise filter whose sums stay in the nearest cache.
WIDTH = 256
#: The kernels that go over rows of a map.
MOMENTS, AFFINE, GRADIENTS, GRADIENT = range(4)

_NO_SUMS = np.zeros((N_CHUNKS, 2, 0))

_jit = functools.partial(numba.njit, cache=True, error_model="numpy", fastmath={"contract", "nsz"})


def quicken(module: nn.Module) -> None:
    """Put the layers of this file where the same function is computed, in place.

    Weights and buffers stay the same objects under the same names.
    """
    numba.set_num_threads(min(torch.get_num_threads(), numba.config.NUMBA_NUM_THREADS))
    for block in list(module.modules()):
        for name, child in list(block.named_children()):
            if _is_plain_norm(child):
                setattr(block, name, Norm(child))
            elif _is_wide_depthwise(child):
                setattr(block, name, Depthwise(child))


def _is_plain_norm(layer: nn.Module) -> TypeGuard[nn.BatchNorm2d]:
    """torch's BatchNorm2d, or timm's with an activation, with weights and running statistics."""
    return (
        isinstance(layer, nn.BatchNorm2d)
        and (type(layer) is nn.BatchNorm2d or hasattr(layer, "act"))
        and isinstance(getattr(layer, "drop", None), nn.Identity | None)
        and layer.affine
        and layer.track_running_stats
        and layer.momentum is not None
    )


def _is_wide_depthwise(layer: nn.Module) -> TypeGuard[nn.Conv2d]:
    return (
        type(layer) is nn.Conv2d
        and layer.groups == layer.in_channels == layer.out_channels
        and layer.kernel_size[0] == layer.kernel_size[1] >= 5
        and layer.stride[0] == layer.stride[1]
        and isinstance(layer.padding, tuple)
        and layer.padding[0] == layer.padding[1]
        and layer.dilation == (1, 1)
        and layer.padding_mode == "zeros"
        and layer.bias is None
    )


def _is_map(x: Tensor) -> bool:
    """Whether the kernels can read it: float32 on the CPU, channels last."""
    return (
        x.device.type == "cpu"
        and x.dtype == torch.float32
        and x.dim() == 4
        and x.numel() > 0
        and x.is_contiguous(memory_format=torch.channels_last)
        and not torch.is_autocast_enabled("cpu")
    )


class Norm(nn.BatchNorm2d):
    """BatchNorm2d and the activation that follows it, if it has one."""

    def __init__(self, layer: nn.BatchNorm2d) -> None:
        super().__init__(layer.num_features, layer.eps, layer.momentum)
        self.weight, self.bias = layer.weight, layer.bias
        for name, value in layer.named_buffers(recurse=False):
            self.register_buffer(name, value)
        self.act: nn.Module = getattr(layer, "act", None) or nn.Identity()
        self._bounds = _bounds(self.act)
        self.train(layer.training)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not _is_map(x):
            return self.act(super().forward(x))  # type: ignore[no-any-return]
        assert self.num_batches_tracked is not None
        self.num_batches_tracked += 1
        bounds = self._bounds or (-np.inf, np.inf)
        y = _Normalise.apply(x, self.weight, self.bias, self, bounds)  # type: ignore[no-untyped-call]
        return y if self._bounds else self.act(y)  # type: ignore[no-any-return]


def _bounds(act: nn.Module) -> Bounds | None:
    """None where it is another kind of function."""
    if isinstance(act, nn.Identity):
        return -np.inf, np.inf
    if isinstance(act, nn.ReLU):
        return 0.0, np.inf
    if isinstance(act, nn.Hardtanh):  # ReLU6 is one
        return float(act.min_val), float(act.max_val)
    return None


class _Normalise(torch.autograd.Function):
    """clamp((x - mean) / deviation · weight + bias, low, high), of the batch's own statistics."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, layer: Norm, bounds: Bounds
    ) -> Tensor:
        n_rows = x.numel() // x.shape[1]
        # Sums of distances from some value of each channel: a variance that is a difference of
        # two sums loses its digits where the mean is large.
        near = x[0, :, 0, 0].numpy().copy()
        first, second = _sums(MOMENTS, x, x, [near], bounds) / n_rows
        mean = near + first
        variance = np.maximum(second - first**2, 0)
        assert layer.running_mean is not None
        assert layer.running_var is not None
        assert layer.momentum is not None
        for running, value in (
            (layer.running_mean, mean),
            (layer.running_var, variance * n_rows / max(n_rows - 1, 1)),
        ):
            running.lerp_(torch.from_numpy(value).to(running.dtype), layer.momentum)
        inverse = 1 / np.sqrt(variance + layer.eps)
        scale = weight.detach().numpy() * inverse
        shift = bias.detach().numpy() - mean * scale
        ctx.save_for_backward(x, weight)
        ctx.kept = mean, inverse, scale, shift, bounds
        return _affine(x, scale, shift, bounds)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        mean, inverse, scale, shift, bounds = ctx.kept
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        n_rows = x.numel() // x.shape[1]
        of_bias, with_x = _sums(GRADIENTS, x, gradient, [scale, shift, mean], bounds)
        of_weight = with_x * inverse
        slope = -scale * inverse * of_weight / n_rows
        level = -scale * of_bias / n_rows - slope * mean
        of_x = torch.empty_like(x)
        _spread(GRADIENT, x, gradient, of_x, [scale, shift, slope, level], bounds, _NO_SUMS)
        as_weight = (torch.from_numpy(part).to(weight.dtype) for part in (of_weight, of_bias))
        return of_x, *as_weight, None, None


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
        self.train(layer.training)

    def forward(self, x: Tensor) -> Tensor:
        if not _is_map(x) or not (torch.is_grad_enabled() and self.weight.requires_grad):
            return super().forward(x)
        return _Filter.apply(x, self.weight, self.stride[0], self.padding[0])  # type: ignore[no-any-return, no-untyped-call]


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
        x_, gradient_ = (value.permute(0, 2, 3, 1).numpy() for value in (x, gradient))
        shapes = np.array([height, width, *gradient.shape[2:], n_channels, side, stride, padding])
        sums = np.zeros((min(n, N_CHUNKS), side * side * n_channels), np.float32)
        _filters(x_.reshape(n, -1), gradient_.reshape(n, -1), shapes, sums)
        of_weight = sums.sum(0).reshape(-1, n_channels).T.reshape(weight.shape)
        return of_x, torch.from_numpy(np.ascontiguousarray(of_weight)), None, None


def _affine(x: Tensor, scale: Array, shift: Array, bounds: Bounds) -> Tensor:
    y = torch.empty_like(x)
    _spread(AFFINE, x, x, y, [scale, shift], bounds, _NO_SUMS)
    return y


def _sums(
    kernel: int, x: Tensor, gradient: Tensor, channels: Sequence[Array], bounds: Bounds
) -> Array:
    """Two sums over the rows of a map for each channel: float64, shape (2, n_channels)."""
    sums = np.zeros((N_CHUNKS, 2, _together(x) * x.shape[1]))
    _spread(kernel, x, gradient, x, channels, bounds, sums)
    return sums.sum(0).reshape(2, -1, x.shape[1]).sum(1)  # type: ignore[no-any-return]


def _spread(
    kernel: int,
    x: Tensor,
    gradient: Tensor,
    out: Tensor,
    channels: Sequence[Array],
    bounds: Bounds,
    sums: Array,
) -> None:
    """Run a kernel over maps, shape (n, n_channels, height, width), and values of each channel."""
    n_together = _together(x)
    maps = [
        value.detach().permute(0, 2, 3, 1).numpy().reshape(-1, n_together * x.shape[1])
        for value in (x, gradient, out)
    ]
    repeated = np.tile(np.asarray(channels, np.float32), n_together)
    _over_chunks(kernel, *maps, repeated, np.array(bounds, np.float32), sums)


def _together(x: Tensor) -> int:
    """Rows of few channels that are read as one, so that inner loops are long."""
    n_rows, n_together = x.numel() // x.shape[1], 1
    while n_together * x.shape[1] < 256 and n_rows % (2 * n_together) == 0:
        n_together *= 2
    return n_together


# The kernels: maps are rows of channels, shape (n_rows, n_channels), float32; `channels` holds
# values of each channel, shape (n_values, n_channels), in the order that a kernel names.


@numba.njit(parallel=True, cache=True)
def _over_chunks(kernel, x, gradient, out, channels, bounds, sums):  # type: ignore[no-untyped-def]
    for chunk in numba.prange(N_CHUNKS):
        first, last = len(x) * chunk // N_CHUNKS, len(x) * (chunk + 1) // N_CHUNKS
        if kernel == MOMENTS:
            _add_moments(first, last, x, channels, sums[chunk])
        elif kernel == AFFINE:
            _set_affine(first, last, x, channels, bounds, out)
        elif kernel == GRADIENTS:
            _add_gradients(first, last, x, gradient, channels, bounds, sums[chunk])
        else:
            _set_gradient(first, last, x, gradient, channels, bounds, out)


@_jit
def _add_moments(first, last, x, channels, sums):  # type: ignore[no-untyped-def]
    """sums += (Σ d, Σ d²) over some rows, d = x - near."""
    near = channels[0]
    width = len(near)
    one, two = np.empty(width, np.float32), np.empty(width, np.float32)
    while first < last:
        stop = min(first + BLOCK, last)
        one[:] = 0
        two[:] = 0
        for i in range(first, stop):
            for c in range(width):
                d = x[i, c] - near[c]
                one[c] += d
                two[c] += d * d
        for c in range(width):
            sums[0, c] += one[c]
            sums[1, c] += two[c]
        first = stop


@_jit
def _add_gradients(first, last, x, gradient, channels, bounds, sums):  # type: ignore[no-untyped-def]
    """sums += (Σ g, Σ g · (x - mean)), g the gradient where the activation lets it by."""
    scale, shift, mean = channels[0], channels[1], channels[2]
    low, high = bounds
    width = len(mean)
    one, two = np.empty(width, np.float32), np.empty(width, np.float32)
    while first < last:
        stop = min(first + BLOCK, last)
        one[:] = 0
        two[:] = 0
        for i in range(first, stop):
            for c in range(width):
                y = x[i, c] * scale[c] + shift[c]
                g = gradient[i, c] if low < y and y < high else np.float32(0)
                one[c] += g
                two[c] += g * (x[i, c] - mean[c])
        for c in range(width):
            sums[0, c] += one[c]
            sums[1, c] += two[c]
        first = stop


@_jit
def _set_affine(first, last, x, channels, bounds, out):  # type: ignore[no-untyped-def]
    scale, shift = channels[0], channels[1]
    low, high = bounds
    for i in range(first, last):
        for c in range(len(scale)):
            out[i, c] = min(max(x[i, c] * scale[c] + shift[c], low), high)


@_jit
def _set_gradient(first, last, x, gradient, channels, bounds, out):  # type: ignore[no-untyped-def]
    scale, shift, slope, level = channels[0], channels[1], channels[2], channels[3]
    low, high = bounds
    for i in range(first, last):
        for c in range(len(scale)):
            y = x[i, c] * scale[c] + shift[c]
            g = gradient[i, c] if low < y and y < high else np.float32(0)
            out[i, c] = g * scale[c] + (x[i, c] * slope[c] + level[c])


@numba.njit(parallel=True, cache=True)
def _filters(x, gradient, shapes, sums):  # type: ignore[no-untyped-def]
    for chunk in numba.prange(len(sums)):
        first, last = len(x) * chunk // len(sums), len(x) * (chunk + 1) // len(sums)
        _add_filters(x[first:last], gradient[first:last], shapes, sums[chunk])


@_jit
def _add_filters(x, gradient, shapes, sums):  # type: ignore[no-untyped-def]
    """sums += Σ over pictures and places of gradient · x, for each place of a filter.

    Pictures are flat rows, (height, width, channels); sums are (side, side, channels), flat.
    """
    height, width, out_height, out_width, n_channels, side, stride, padding = shapes
    for n in range(len(x)):
        xs, gradients = x[n], gradient[n]
        for channel in range(0, n_channels, WIDTH):
            m = min(WIDTH, n_channels - channel)
            for oy in range(out_height):
                for ky in range(side):
                    y = oy * stride + ky - padding
                    if y < 0 or y >= height:
                        continue
                    for kx in range(side):
                        at = (ky * side + kx) * n_channels + channel
                        total = sums[at : at + m]
                        # The places whose x lies inside the picture.
                        left = max(0, (padding - kx + stride - 1) // stride)
                        right = min(out_width, (width - 1 - kx + padding) // stride + 1)
                        for ox in range(left, right):
                            at = (y * width + ox * stride + kx - padding) * n_channels + channel
                            pixel = xs[at : at + m]
                            at = (oy * out_width + ox) * n_channels + channel
                            g = gradients[at : at + m]
                            for c in range(m):
                                total[c] += pixel[c] * g[c]
