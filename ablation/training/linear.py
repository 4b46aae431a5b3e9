"""Steps of heads alone, whose gradients are known without building a graph.

Where the whole trunk is frozen, a step is a matrix product of a few hundred numbers, and autograd
takes most of its time. Here the kernels that autograd would call are called one after the other, so
the gradients are the same to the last digit.

Several heads that are trained on the same features make their steps together. A product of all of
them at once is used where it was seen, on made-up numbers of the same shapes, to give every head
the digits that it has alone; elsewhere the products are made one by one.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ablation.network.device import Compute
from ablation.network.model import Head

_aten = torch.ops.aten
#: What `torch.nn.functional.cross_entropy` calls the mean over the pictures, and a label that it
#: leaves out.
_MEAN, _IGNORED = 1, -100

#: Of features, shape (n, n_features), and numbers of several heads, their products.
Product = Callable[..., Tensor]


def lone_head(above: nn.Sequential, loss: Any, compute: Compute) -> Head | None:
    """The head, where it is all that is trained, by plain cross-entropy in float32 on a CPU.

    Args:
        above: the part that is trained.
        loss: of the run.
        compute: the device and the arithmetic.
    """
    if len(above) != 1 or type(above[0]) is not Head or not compute.has_fast_training:
        return None
    is_plain = type(loss) is nn.CrossEntropyLoss and loss.weight is None
    is_usual = is_plain and (loss.reduction, loss.label_smoothing) == ("mean", 0.0)
    is_trained = all(weight.requires_grad for weight in above.parameters())
    return above[0] if is_trained and is_usual and loss.ignore_index == _IGNORED else None


@torch.no_grad()
def step(head: Head, features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Set the head's gradients of the mean cross-entropy.

    Args:
        head: in training mode.
        features: shape (n, n_features), without a gradient.
        labels: class indices, shape (n,).

    Returns:
        The loss, without dimensions, and the logits, shape (n, n_classes).
    """
    features = _dropped(features, head)
    logits = F.linear(features, head.weight, head.bias)
    logs = F.log_softmax(logits, 1)
    of_logits = _of_logits(logs, labels, len(labels))
    head.weight.grad = of_logits.t().mm(features)
    head.bias.grad = of_logits.sum(0)
    return _loss(logs, labels), logits


class Heads:
    """Heads that make their steps together, each with the gradients that it would have alone."""

    def __init__(self, heads: Sequence[Head]) -> None:
        """
        Args:
            heads: of one shape and one dropout; their weights are moved into one tensor.
        """
        self._heads = heads
        self._weights = torch.stack([head.weight.detach() for head in heads])
        self._biases = torch.stack([head.bias.detach() for head in heads])
        for head, weight, bias in zip(heads, self._weights, self._biases, strict=True):
            head.weight.data, head.bias.data = weight, bias

    @torch.no_grad()
    def step(self, features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Set the gradients of all heads.

        Args:
            features: shape (n, n_features), without a gradient.
            labels: class indices, shape (n,).

        Returns:
            The losses, shape (n_heads,), and the logits, shape (n_heads, n, n_classes).
        """
        # Runs of one seed drop the same.
        features = _dropped(features, self._heads[0])
        shape = (len(self._heads), *features.shape, self._weights.shape[1])
        forward, backward = products(*shape, torch.get_num_threads())
        logits = forward(features, self._weights, self._biases)
        logs = F.log_softmax(logits, 2)
        losses = torch.stack([_loss(of_head, labels) for of_head in logs])
        of_logits = _of_logits(logs.flatten(0, 1), labels.repeat(len(logs)), len(labels))
        of_all = of_logits.view_as(logits)
        of_weights, of_biases = backward(features, of_all), of_all.sum(1)
        for head, weight, bias in zip(self._heads, of_weights, of_biases, strict=True):
            head.weight.grad, head.bias.grad = weight, bias
        return losses, logits


def _dropped(features: Tensor, head: Head) -> Tensor:
    return F.dropout(features, head.dropout) if head.dropout else features


def _loss(logs: Tensor, labels: Tensor) -> Tensor:
    """The mean cross-entropy.

    Args:
        logs: logarithms of the probabilities, shape (n, n_classes).
        labels: class indices, shape (n,).
    """
    return _aten.nll_loss_forward(logs, labels, None, _MEAN, _IGNORED)[0]  # type: ignore[no-any-return]


def _of_logits(logs: Tensor, labels: Tensor, n: int) -> Tensor:
    """The gradient of the mean cross-entropy by the logits.

    Args:
        logs: logarithms of the probabilities, shape (any, n_classes).
        labels: class indices, shape (any,).
        n: pictures of one mean.
    """
    one, total = logs.new_ones(()), logs.new_tensor(float(n))
    of_logs = _aten.nll_loss_backward(one, logs, labels, None, _MEAN, _IGNORED, total)
    return _aten._log_softmax_backward_data(of_logs, logs, 1, logs.dtype)  # type: ignore[no-any-return]


@functools.lru_cache(maxsize=64)
@torch.no_grad()
def products(
    n_heads: int, n: int, n_features: int, n_classes: int, threads: int
) -> tuple[Product, Product]:
    """How several heads make their logits, and how the gradients of their weights, from features.

    Args:
        n_heads, n, n_features, n_classes: the shapes.
        threads: that compute; with their number the order of sums may change.
    """
    draw = functools.partial(torch.randn, generator=torch.Generator().manual_seed(0))
    features = draw(n, n_features)
    weights, biases = draw(n_heads, n_classes, n_features), draw(n_heads, n_classes)
    of_logits = draw(n_heads, n, n_classes)
    is_same = torch.equal(
        _logits_at_once(features, weights, biases), _logits_one_by_one(features, weights, biases)
    )
    are_same = torch.equal(
        _of_weights_at_once(features, of_logits), _of_weights_one_by_one(features, of_logits)
    )
    return (
        _logits_at_once if is_same else _logits_one_by_one,
        _of_weights_at_once if are_same else _of_weights_one_by_one,
    )


def _logits_at_once(features: Tensor, weights: Tensor, biases: Tensor) -> Tensor:
    return torch.baddbmm(biases[:, None], features.expand(len(weights), -1, -1), weights.mT)


def _logits_one_by_one(features: Tensor, weights: Tensor, biases: Tensor) -> Tensor:
    pairs = zip(weights, biases, strict=True)
    return torch.stack([F.linear(features, weight, bias) for weight, bias in pairs])


def _of_weights_at_once(features: Tensor, of_logits: Tensor) -> Tensor:
    return of_logits.mT.bmm(features.expand(len(of_logits), -1, -1))


def _of_weights_one_by_one(features: Tensor, of_logits: Tensor) -> Tensor:
    found = features.new_empty((len(of_logits), of_logits.shape[2], features.shape[1]))
    for of_head, into in zip(of_logits, found, strict=True):
        torch.mm(of_head.t(), features, out=into)
    return found
