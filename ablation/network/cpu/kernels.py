"""Loops over feature maps for which torch has no fast ones on a CPU, compiled by numba.

A feature map is given as float32 rows, one for each pixel of each picture, of n_channels values.
Where channels are few, k consecutive rows are given as one, so that inner loops are long: shape
(n_rows / k, k · n_channels). Sums are taken over a fixed number of chunks of rows, so that results
do not depend on the number of threads.
"""

import functools

import numba
import numpy as np

#: Chunks into which the rows of a feature map are cut; each is summed separately.
N_CHUNKS = 32
#: Rows that are summed in float32 before they are added to a sum in float64.
BLOCK = 32
#: Channels of a depthwise filter whose sums fit in the L1 cache.
WIDTH = 256

_jit = functools.partial(numba.njit, cache=True, error_model="numpy", fastmath={"contract", "nsz"})
#: The loops over the rows of a chunk. As NumPy's integers: for each of Python's, numba would
#: compile its own version.
MOMENTS, AFFINE, GRADIENT_SUMS, INPUT_GRADIENT, CLAMP_GRADIENT = np.arange(5)


@_jit
def normalise(x, channels, constants, bounds, y):  # type: ignore[no-untyped-def]
    """Set y to clamp((x - mean) / deviation · weight + bias, low, high), with x's own statistics.

    The running statistics are updated.

    Args:
        x: rows of a feature map, of which k are given as one.
        channels: weight, bias, running mean and running variance, each float32, (n_channels,).
        constants: momentum and epsilon.
        bounds: low and high, float32, shape (2,).
        y: is set; as x.

    Returns:
        Mean, 1 / deviation, scale and shift of each channel: float64, shape (4, n_channels).
    """
    weight, bias, running_mean, running_var = channels
    momentum, eps = constants
    n_channels, width = len(weight), x.shape[1]
    n_rows = x.size // n_channels
    near = _repeated(x[:1, :n_channels], width)
    sums = np.zeros((N_CHUNKS, 2, width))
    _over_chunks(MOMENTS, (x, x, x), near, bounds, sums)
    moments = _total(sums, n_channels) / n_rows
    kept = np.empty((4, n_channels))
    for c in range(n_channels):
        mean = near[0, c] + moments[0, c]
        variance = max(moments[1, c] - moments[0, c] ** 2, 0.0)
        running_mean[c] += momentum * (mean - running_mean[c])
        running_var[c] += momentum * (variance * n_rows / max(n_rows - 1, 1) - running_var[c])
        inverse = 1 / np.sqrt(variance + eps)
        scale = weight[c] * inverse
        kept[0, c], kept[1, c], kept[2, c] = mean, inverse, scale
        kept[3, c] = bias[c] - mean * scale
    _over_chunks(AFFINE, (x, x, y), _repeated(kept[2:], width), bounds, sums)
    return kept


@_jit
def differentiate(x, gradient, kept, bounds, of_x):  # type: ignore[no-untyped-def]
    """The gradients of `normalise`.

    Args:
        x: as given to `normalise`.
        gradient: of its output y; as x.
        kept: what it returned.
        bounds: as given to it.
        of_x: is set to the gradient of x; as x.

    Returns:
        The gradients of weight and bias: float64, shape (2, n_channels).
    """
    n_channels, width = kept.shape[1], x.shape[1]
    n_rows = x.size // n_channels
    sums = np.zeros((N_CHUNKS, 2, width))
    _over_chunks(GRADIENT_SUMS, (x, gradient, x), _repeated(kept, width), bounds, sums)
    total = _total(sums, n_channels)
    found = np.empty((2, n_channels))
    lines = np.empty((4, n_channels))
    for c in range(n_channels):
        mean, inverse, scale, shift = kept[0, c], kept[1, c], kept[2, c], kept[3, c]
        of_weight, of_bias = total[1, c] * inverse, total[0, c]
        found[0, c], found[1, c] = of_weight, of_bias
        slope = -scale * inverse * of_weight / n_rows
        lines[0, c], lines[1, c], lines[2, c] = scale, shift, slope
        lines[3, c] = -scale * of_bias / n_rows - slope * mean
    _over_chunks(INPUT_GRADIENT, (x, gradient, of_x), _repeated(lines, width), bounds, sums)
    return found


@_jit
def clamp_gradient(y, gradient, bounds, n_channels, out):  # type: ignore[no-untyped-def]
    """The gradient of a clamp: that of its output where the output lies between the bounds, else 0.

    Args:
        y: output of the clamp, rows of a feature map, of which k are given as one.
        gradient: of y; as y.
        bounds: low and high, float32, shape (2,).
        n_channels: of the feature map.
        out: is set; as y.

    Returns:
        The sum of `out` over the pixels: float64, shape (n_channels,).
    """
    sums = np.zeros((N_CHUNKS, 2, y.shape[1]))
    no_channels = np.empty((0, 0), np.float32)
    _over_chunks(CLAMP_GRADIENT, (y, gradient, out), no_channels, bounds, sums)
    return _total(sums, n_channels)[0]


@numba.njit(parallel=True, cache=True)
def add_filters(x, gradient, shapes, sums):  # type: ignore[no-untyped-def]
    """Add up the gradient of depthwise filters for each chunk of pictures.

    Args:
        x: the convolution's input, a row for each picture, see `_add_filters`.
        gradient: of its output, a row for each picture.
        shapes: height and width of the input, those of the output, n_channels, the filters' side,
            stride and padding.
        sums: is added to; a row for each chunk.
    """
    for chunk in numba.prange(len(sums)):
        first, last = len(x) * chunk // len(sums), len(x) * (chunk + 1) // len(sums)
        _add_filters(x[first:last], gradient[first:last], shapes, sums[chunk])


@numba.njit(parallel=True, cache=True)
def _over_chunks(kernel, maps, channels, bounds, sums):  # type: ignore[no-untyped-def]
    """One of the loops below, over all chunks in parallel.

    They share one parallel loop, for each takes a second to compile.

    Args:
        kernel: which loop.
        maps: x, the gradient and what is set; the same map again where a loop has no use for one.
        channels: values of each channel, float32, shape (n_values, k · n_channels).
        bounds: low and high.
        sums: float64, shape (N_CHUNKS, 2, k · n_channels).
    """
    x, gradient, out = maps
    for chunk in numba.prange(N_CHUNKS):
        first, last = len(x) * chunk // N_CHUNKS, len(x) * (chunk + 1) // N_CHUNKS
        rows = x[first:last]
        if kernel == MOMENTS:
            _add_moments(rows, channels, sums[chunk])
        elif kernel == AFFINE:
            _set_affine(rows, channels, bounds, out[first:last])
        elif kernel == GRADIENT_SUMS:
            _add_gradients(rows, gradient[first:last], channels, bounds, sums[chunk])
        elif kernel == INPUT_GRADIENT:
            _set_gradient(rows, gradient[first:last], channels, bounds, out[first:last])
        else:
            _set_clamped(rows, gradient[first:last], bounds, out[first:last], sums[chunk])


@_jit
def _repeated(values, width):  # type: ignore[no-untyped-def]
    """Values of each channel, shape (n_values, n_channels), repeated for k rows given as one."""
    n_values, n_channels = values.shape
    out = np.empty((n_values, width), np.float32)
    for i in range(n_values):
        for first in range(0, width, n_channels):
            for c in range(n_channels):
                out[i, first + c] = values[i, c]
    return out


@_jit
def _total(sums, n_channels):  # type: ignore[no-untyped-def]
    """Sums over the chunks, and over the k rows given as one: shape (2, n_channels)."""
    total = np.zeros((2, n_channels))
    for chunk in range(N_CHUNKS):
        for i in range(2):
            for first in range(0, sums.shape[2], n_channels):
                for c in range(n_channels):
                    total[i, c] += sums[chunk, i, first + c]
    return total


@_jit
def _add_moments(x, channels, sums):  # type: ignore[no-untyped-def]
    """sums += (Σ d, Σ d²) over the rows, with d = x - near.

    The variance as a difference of two sums of x itself would lose its digits where the mean is
    large.
    """
    near = channels[0]
    width = len(near)
    one, two = np.empty(width, np.float32), np.empty(width, np.float32)
    for first in range(0, len(x), BLOCK):
        one[:] = 0
        two[:] = 0
        for i in range(first, min(first + BLOCK, len(x))):
            for c in range(width):
                d = x[i, c] - near[c]
                one[c] += d
                two[c] += d * d
        for c in range(width):
            sums[0, c] += one[c]
            sums[1, c] += two[c]


@_jit
def _add_gradients(x, gradient, channels, bounds, sums):  # type: ignore[no-untyped-def]
    """sums += (Σ g, Σ g · (x - mean)), with g the gradient before the clamp."""
    mean, scale, shift = channels[0], channels[2], channels[3]
    low, high = bounds
    width = len(mean)
    one, two = np.empty(width, np.float32), np.empty(width, np.float32)
    for first in range(0, len(x), BLOCK):
        one[:] = 0
        two[:] = 0
        for i in range(first, min(first + BLOCK, len(x))):
            for c in range(width):
                y = x[i, c] * scale[c] + shift[c]
                g = gradient[i, c] if low < y and y < high else np.float32(0)
                one[c] += g
                two[c] += g * (x[i, c] - mean[c])
        for c in range(width):
            sums[0, c] += one[c]
            sums[1, c] += two[c]


@_jit
def _set_affine(x, channels, bounds, out):  # type: ignore[no-untyped-def]
    """out = clamp(x · scale + shift)."""
    scale, shift = channels[0], channels[1]
    low, high = bounds
    for i in range(len(x)):
        for c in range(len(scale)):
            out[i, c] = min(max(x[i, c] * scale[c] + shift[c], low), high)


@_jit
def _set_gradient(x, gradient, channels, bounds, out):  # type: ignore[no-untyped-def]
    """out = g · scale + x · slope + level, with g the gradient before the clamp."""
    scale, shift, slope, level = channels[0], channels[1], channels[2], channels[3]
    low, high = bounds
    for i in range(len(x)):
        for c in range(len(scale)):
            y = x[i, c] * scale[c] + shift[c]
            g = gradient[i, c] if low < y and y < high else np.float32(0)
            out[i, c] = g * scale[c] + (x[i, c] * slope[c] + level[c])


@_jit
def _set_clamped(y, gradient, bounds, out, sums):  # type: ignore[no-untyped-def]
    """out = g, and sums[0] += Σ g, with g the gradient before the clamp whose output is y."""
    low, high = bounds
    width = y.shape[1]
    one = np.empty(width, np.float32)
    for first in range(0, len(y), BLOCK):
        one[:] = 0
        for i in range(first, min(first + BLOCK, len(y))):
            for c in range(width):
                g = gradient[i, c] if low < y[i, c] and y[i, c] < high else np.float32(0)
                one[c] += g
                out[i, c] = g
        for c in range(width):
            sums[0, c] += one[c]


@_jit
def _add_filters(x, gradient, shapes, sums):  # type: ignore[no-untyped-def]
    """sums += Σ over pictures and pixels of gradient · x, for each position in a filter.

    A picture is one row, (height, width, n_channels) flattened; the gradient's is
    (out_height, out_width, n_channels), that of the sums (side, side, n_channels).
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
                        # The output's columns whose x lies inside the picture.
                        left = max(0, (padding - kx + stride - 1) // stride)
                        right = min(out_width, (width - 1 - kx + padding) // stride + 1)
                        for ox in range(left, right):
                            at = (y * width + ox * stride + kx - padding) * n_channels + channel
                            pixel = xs[at : at + m]
                            at = (oy * out_width + ox) * n_channels + channel
                            g = gradients[at : at + m]
                            for c in range(m):
                                total[c] += pixel[c] * g[c]
