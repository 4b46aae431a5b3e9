"""A run's network for other programs: from the pixels of a view to probabilities."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ablation.config import ModelConfig, chosen

if TYPE_CHECKING:
    from ablation.predict.classifier import Classifier


class Exported(nn.Module):
    """What is exported: normalisation, network and softmax.

    Its input are views, float32, 0..255, shape (n, 3, size, size); its output the probabilities of
    the classes, shape (n, n_classes).
    """

    mean: Tensor
    std: Tensor

    def __init__(self, below: nn.Module, above: nn.Module, config: ModelConfig) -> None:
        super().__init__()
        self.below, self.above = below, above
        for name, values in (("mean", config.mean), ("std", config.std)):
            self.register_buffer(name, 255 * torch.tensor(chosen(values)).view(1, 3, 1, 1))

    def forward(self, views: Tensor) -> Tensor:
        normalised = (views - self.mean) / self.std
        return torch.softmax(self.above(self.below(normalised)), 1)


def of(classifier: "Classifier") -> Exported:
    """The network of a finished run, in evaluation mode, on the CPU, in float32."""
    parts = classifier.parts
    network = Exported(parts.below, parts.above, classifier.config.model)
    return network.cpu().float().eval().requires_grad_(False)


def example(classifier: "Classifier") -> Tensor:
    """Made-up views to trace a network with: shape (2, 3, size, size)."""
    size = chosen(classifier.config.data.size)
    return torch.randint(
        0, 256, (2, 3, size, size), generator=torch.Generator().manual_seed(0)
    ).float()
