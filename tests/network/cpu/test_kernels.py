"""The compiled loops compute what plain torch does, gradients too, whatever rows they are given."""

import numba
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from ablation.network.cpu import kernels

LIMITS = [(-np.inf, np.inf), (0.0, np.inf), (0.0, 6.0)]
SHAPES = [(4, 16, 8, 8), (3, 24, 5, 7), (2, 300, 3, 3), (2, 1, 9, 9), (70, 2, 1, 1)]


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * 2 + 1


def rows(x: Tensor, k: int) -> np.ndarray:  # type: ignore[type-arg]
    """A feature map (n, c, h, w) as rows of k pixels."""
    return x.permute(0, 2, 3, 1).reshape(-1, k * x.shape[1]).contiguous().numpy()


def from_rows(values: np.ndarray, like: Tensor) -> Tensor:  # type: ignore[type-arg]
    n, c, h, w = like.shape
    return torch.from_numpy(values.copy()).reshape(n, h, w, c).permute(0, 3, 1, 2)


def together(x: Tensor) -> list[int]:
    """The numbers of pixels that may be given as one row."""
    n_pixels = x.numel() // x.shape[1]
    return [k for k in (1, 2, 4) if n_pixels % k == 0]


def assert_near(got: Tensor, wanted: Tensor, what: str = "") -> None:
    scale = wanted.abs().max().item() + 1e-6
    assert (got.double() - wanted).abs().max() <= 2e-5 * scale, what


@pytest.mark.parametrize("limits", LIMITS)
@pytest.mark.parametrize("shape", SHAPES)
def test_normalising_and_its_gradients_are_those_of_batch_norm_and_clamp(
    shape: tuple[int, ...], limits: tuple[float, float]
) -> None:
    x, gradient, n_channels = drawn(*shape), drawn(*shape, seed=1), shape[1]
    channels = [drawn(n_channels, seed=2 + i) for i in range(4)]
    channels[3].abs_().add_(0.5)  # a variance
    exact = [value.double().requires_grad_() for value in (x, *channels[:2])]
    statistics = [value.double() for value in channels[2:]]
    normalised = F.batch_norm(exact[0], *statistics, *exact[1:], training=True, momentum=0.3)
    wanted = normalised.clamp(*limits)
    wanted.backward(gradient.double())
    # A value at the very edge of the clamp may fall on either side of it.
    is_inside = ((normalised - limits[0]).abs() > 1e-4) & ((normalised - limits[1]).abs() > 1e-4)
    assert is_inside.all()
    bounds = np.array(limits, np.float32)
    for k in together(x):
        given = tuple(value.clone().numpy() for value in channels)
        y = np.empty_like(rows(x, k))
        kept = kernels.normalise(rows(x, k), given, (0.3, 1e-5), bounds, y)
        assert_near(from_rows(y, x), wanted.detach(), "output")
        for name, got, expected in zip(("mean", "variance"), given[2:], statistics, strict=True):
            assert_near(torch.from_numpy(got), expected, name)
        of_x = np.empty_like(y)
        found = kernels.differentiate(rows(x, k), rows(gradient, k), kept, bounds, of_x)
        assert exact[0].grad is not None
        assert_near(from_rows(of_x, x), exact[0].grad, "gradient of x")
        for name, got, value in zip(("weight", "bias"), found, exact[1:], strict=True):
            assert value.grad is not None
            assert_near(torch.from_numpy(got), value.grad, f"gradient of {name}")


@pytest.mark.parametrize("limits", LIMITS)
@pytest.mark.parametrize("shape", SHAPES)
def test_the_gradient_of_a_clamp_is_autograd_s(
    shape: tuple[int, ...], limits: tuple[float, float]
) -> None:
    x = drawn(*shape).requires_grad_()
    gradient = drawn(*shape, seed=1)
    y = x.clamp(*limits)
    y.backward(gradient)
    assert x.grad is not None
    for k in together(x):
        y_, gradient_ = rows(y.detach(), k), rows(gradient, k)
        out = np.empty_like(y_)
        bounds = np.array(limits, np.float32)
        sums = kernels.clamp_gradient(y_, gradient_, bounds, shape[1], out)
        assert torch.equal(from_rows(out, x), x.grad)
        assert_near(torch.from_numpy(sums), x.grad.double().sum((0, 2, 3)))


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(
    ("side", "n_channels", "size"), [(5, 8, (9, 8)), (7, 300, (14, 13)), (5, 3, (2, 3))]
)
def test_the_gradient_of_depthwise_filters_is_autograd_s(
    side: int, n_channels: int, size: tuple[int, int], stride: int
) -> None:
    x = drawn(3, n_channels, *size)
    weight = drawn(n_channels, 1, side, side, seed=2).double().requires_grad_()
    padding = side // 2
    y = F.conv2d(x.double(), weight, None, stride, padding, groups=n_channels)
    gradient = drawn(*y.shape, seed=1)
    y.backward(gradient.double())
    assert weight.grad is not None
    shapes = np.array([*size, *y.shape[2:], n_channels, side, stride, padding])
    for n_chunks in (1, 2, 3):
        sums = np.zeros((n_chunks, side * side * n_channels), np.float32)
        flat = [rows(value, 1).reshape(3, -1) for value in (x, gradient)]
        kernels.add_filters(*flat, shapes, sums)
        got = torch.from_numpy(sums.sum(0)).reshape(side, side, n_channels).permute(2, 0, 1)
        assert_near(got[:, None], weight.grad)


def test_sums_do_not_depend_on_the_number_of_threads() -> None:
    x = drawn(8, 24, 28, 28)
    found = []
    n_before = numba.get_num_threads()
    for n_threads in {1, numba.config.NUMBA_NUM_THREADS}:
        numba.set_num_threads(n_threads)
        given = tuple(drawn(24, seed=i).abs().numpy() for i in range(4))
        y = np.empty_like(rows(x, 2))
        bounds = np.array([0, 6], np.float32)
        found.append((kernels.normalise(rows(x, 2), given, (0.1, 1e-5), bounds, y), y))
    numba.set_num_threads(n_before)
    for one, other in zip(found[0], found[-1], strict=True):
        np.testing.assert_array_equal(one, other)
