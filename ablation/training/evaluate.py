"""What a network answers, and how good that is."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ablation.network.cpu.fold import fold
from ablation.network.device import autocast
from ablation.network.transfer import Parts
from ablation.training import novelty


@dataclass
class Evaluation:
    """What a network says of a split's pictures.

    Attributes:
        probabilities: of the classes, shape (n, n_classes).
        loss: the mean cross-entropy.
        largest: the largest logit in size; not finite where any is not.
        features: what the head was given of every nth picture, of at most
            `novelty.MOST_VALIDATION`: shape (n_kept, n_features).
    """

    probabilities: Tensor
    loss: float
    largest: float
    features: Tensor


@torch.no_grad()
def evaluate(
    parts: Parts, batches: Iterator[Tensor], labels: Tensor, precision: torch.dtype
) -> Evaluation:
    """Judge the pictures of a split, whose class indices are `labels`."""
    step = -(-len(labels) // novelty.MOST_VALIDATION)
    logits: list[Tensor] = []
    kept: list[Tensor] = []
    n_seen = 0
    for features, answers in judged(parts, batches, precision):
        logits.append(answers)
        kept.append(features[-n_seen % step :: step].contiguous())
        n_seen += len(features)
    whole = torch.cat(logits)
    return Evaluation(
        probabilities=whole.softmax(1),
        loss=F.cross_entropy(whole, labels).item(),
        largest=whole.abs().amax().item(),
        features=torch.cat(kept),
    )


@torch.no_grad()
def judged(
    parts: Parts, batches: Iterable[Tensor], precision: torch.dtype
) -> Iterator[tuple[Tensor, Tensor]]:
    """The head's features and logits of each batch, both in full precision."""
    parts.eval()
    network: nn.Sequential | None = None
    for batch in batches:
        if network is None:
            # Measured on a CPU alone; elsewhere the network judges as it is.
            is_folded = batch.device.type == "cpu"
            judge = fold(parts.above, batch[:2]) if is_folded else parts.above
            assert isinstance(judge, nn.Sequential)
            network = judge
        with autocast(batch.device, precision):
            features = network[:-1](batch)
            logits = network[-1](features)
        yield features.float(), logits.float()
