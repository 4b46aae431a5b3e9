"""Loops over maps for which torch has no fast ones on a CPU, compiled by numba.

A map is given as rows of channels, float32; of few channels several rows are one, so that inner
loops are long: shape (n_rows / n_together, n_together · n_channels). Sums are taken over a fixed
number of chunks, so that results do not depend on the number of threads.
"""

import functools

import numba
import numpy as np

#: Parts into which the rows of a map are cut; each is summed on its own.
N_CHUNKS = 32
#: Rows that are summed in float32 before they are added to a sum in float64.
BLOCK = 32
#: Channels of a depthwise filter whose sums stay in the nearest cache.
WIDTH = 256

_jit = functools.partial(numba.njit, cache=True, error_model="numpy", fastmath={"contract", "nsz"})
#: The loops over the rows of a chunk. NumPy's numbers: for Python's, numba compiles one by one.
MOMENTS, AFFINE, GRADIENTS, GRADIENT, LET_BY = np.arange(5)


@_jit
def normalise(x, weight, bias, running_mean, running_var, momentum, eps, bounds, y):  # type: ignore[no-untyped-def]
    """Set y to clamp((x - mean) / deviation · weight + bias, low, high), of x's own statistics.

    The running statistics, shape (n_channels,), are moved on.

    Returns:
        Mean, 1 / deviation, scale and shift of each channel: float64, shape (4, n_channels).
    """
    n_channels, width = len(weight), x.shape[1]
    n_rows = x.size // n_channels
    near = _repeated(x[:1, :n_channels], width)
    sums = np.zeros((N_CHUNKS, 2, width))
    _over_chunks(MOMENTS, x, x, x, near, bounds, sums)
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
    _over_chunks(AFFINE, x, x, y, _repeated(kept[2:], width), bounds, sums)
    return kept


@_jit
def differentiate(x, gradient, kept, bounds, of_x):  # type: ignore[no-untyped-def]
    """The gradient of `normalise`, of whose output `gradient` is; `kept` is what that returned.

    Returns:
        The gradients of weight and bias: float64, shape (2, n_channels).
    """
    n_channels, width = kept.shape[1], x.shape[1]
    n_rows = x.size // n_channels
    sums = np.zeros((N_CHUNKS, 2, width))
    _over_chunks(GRADIENTS, x, gradient, x, _repeated(kept, width), bounds, sums)
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
    _over_chunks(GRADIENT, x, gradient, of_x, _repeated(lines, width), bounds, sums)
    return found


@_jit
def let_by(y, gradient, bounds, n_channels, out):  # type: ignore[no-untyped-def]
    """Set out to the gradient where y lies between the bounds, to 0 elsewhere.

    Returns:
        Its sum over the rows: float64, shape (n_channels,).
    """
    sums = np.zeros((N_CHUNKS, 2, y.shape[1]))
    _over_chunks(LET_BY, y, gradient, out, np.empty((0, 0), np.float32), bounds, sums)
    return _total(sums, n_channels)[0]


@numba.njit(parallel=True, cache=True)
def add_filters(x, gradient, shapes, sums):  # type: ignore[no-untyped-def]
    """Add the gradient of depthwise filters, chunk by chunk of pictures; see `_add_filters`."""
    for chunk in numba.prange(len(sums)):
        first, last = len(x) * chunk // len(sums), len(x) * (chunk + 1) // len(sums)
        _add_filters(x[first:last], gradient[first:last], shapes, sums[chunk])


@numba.njit(parallel=True, cache=True)
def _over_chunks(kernel, x, gradient, out, channels, bounds, sums):  # type: ignore[no-untyped-def]
    """One parallel loop for all kernels: each loop of its own takes a second to compile."""
    for chunk in numba.prange(N_CHUNKS):
        first, last = len(x) * chunk // N_CHUNKS, len(x) * (chunk + 1) // N_CHUNKS
        if kernel == MOMENTS:
            _add_moments(first, last, x, channels, sums[chunk])
        elif kernel == AFFINE:
            _set_affine(first, last, x, channels, bounds, out)
        elif kernel == GRADIENTS:
            _add_gradients(first, last, x, gradient, channels, bounds, sums[chunk])
        elif kernel == GRADIENT:
            _set_gradient(first, last, x, gradient, channels, bounds, out)
        else:
            _set_let_by(first, last, x, gradient, bounds, out, sums[chunk])


@_jit
def _repeated(values, width):  # type: ignore[no-untyped-def]
    """Values of each channel, shape (n_values, n_channels), for rows that are side by side."""
    n_values, n_channels = values.shape
    out = np.empty((n_values, width), np.float32)
    for i in range(n_values):
        for first in range(0, width, n_channels):
            for c in range(n_channels):
                out[i, first + c] = values[i, c]
    return out


@_jit
def _total(sums, n_channels):  # type: ignore[no-untyped-def]
    """Over the chunks, and over the rows that are side by side: shape (2, n_channels)."""
    total = np.zeros((2, n_channels))
    for chunk in range(N_CHUNKS):
        for i in range(2):
            for first in range(0, sums.shape[2], n_channels):
                for c in range(n_channels):
                    total[i, c] += sums[chunk, i, first + c]
    return total


@_jit
def _add_moments(first, last, x, channels, sums):  # type: ignore[no-untyped-def]
    """sums += (Σ d, Σ d²) over some rows, d = x - near.

    A variance that is a difference of two sums of x itself loses its digits where the mean is
    large.
    """
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
    mean, scale, shift = channels[0], channels[2], channels[3]
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


@_jit
def _set_let_by(first, last, y, gradient, bounds, out, sums):  # type: ignore[no-untyped-def]
    low, high = bounds
    width = y.shape[1]
    one = np.empty(width, np.float32)
    while first < last:
        stop = min(first + BLOCK, last)
        one[:] = 0
        for i in range(first, stop):
            for c in range(width):
                g = gradient[i, c] if low < y[i, c] and y[i, c] < high else np.float32(0)
                one[c] += g
                out[i, c] = g
        for c in range(width):
            sums[0, c] += one[c]
        first = stop


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
