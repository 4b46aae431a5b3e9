"""What a network predicts for the pictures of a split, and how good that is."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ablation.network.cpu.fold import fold
from ablation.network.device import Compute
from ablation.network.transfer import Parts
from ablation.training import novelty


@dataclass
class Evaluation:
    """What a network predicts for a split's pictures.

    Attributes:
        probabilities: of the classes, shape (n, n_classes).
        loss: the mean cross-entropy.
        accuracy: 0..1.
        largest_logit: the largest absolute value of a logit; not finite if any logit is not.
        features: what the head was given for every kth picture, with k such that at most
            `novelty.MOST_VALIDATION` are kept: shape (n_kept, n_features).
    """

    probabilities: Tensor
    loss: float
    accuracy: float
    largest_logit: float
    features: Tensor


@torch.no_grad()
def evaluate(
    parts: Parts, batches: Iterator[Tensor], labels: Tensor, compute: Compute
) -> Evaluation:
    """Run a network on the pictures of a split and compare with their labels.

    Args:
        parts: the network, cut where training starts.
        batches: inputs of the part above, for all pictures of the split in order.
        labels: their class indices, shape (n,).
        compute: the device and the arithmetic.
    """
    step = -(-len(labels) // novelty.MOST_VALIDATION)
    logits: list[Tensor] = []
    kept: list[Tensor] = []
    n_seen = 0
    for features, batch_logits in outputs(parts, batches, compute):
        logits.append(batch_logits)
        kept.append(features[-n_seen % step :: step].contiguous())
        n_seen += len(features)
    whole = torch.cat(logits)
    probabilities = whole.softmax(1)
    return Evaluation(
        probabilities=probabilities,
        loss=F.cross_entropy(whole, labels).item(),
        accuracy=(probabilities.argmax(1) == labels).double().mean().item(),
        largest_logit=whole.abs().amax().item(),
        features=torch.cat(kept),
    )


@torch.no_grad()
def outputs(
    parts: Parts, batches: Iterable[Tensor], compute: Compute
) -> Iterator[tuple[Tensor, Tensor]]:
    """What the head is given and what it returns, for each batch.

    Args:
        parts: the network; it is set to evaluation mode.
        batches: inputs of the part above.
        compute: the device and the arithmetic.

    Yields:
        Features, shape (n, n_features), and logits, shape (n, n_classes), both in float32.
    """
    parts.eval()
    network: nn.Sequential | None = None
    for batch in batches:
        if network is None:
            network = _for_inference(parts.above, batch, compute)
        with compute.autocast():
            features = network[:-1](batch)
            logits = network[-1](features)
        yield features.float(), logits.float()


def _for_inference(above: nn.Sequential, batch: Tensor, compute: Compute) -> nn.Sequential:
    """The network with its BatchNorms folded where that was measured to be faster: on a CPU."""
    if not compute.cpu_kernels or compute.device.type != "cpu":
        return above
    folded = fold(above, batch[:2])
    assert isinstance(folded, nn.Sequential)
    return folded
