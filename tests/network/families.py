"""Networks of common families in each transfer mode.

`python -m tests.network.families` tries them all and writes results/networks/README.md.
"""

import copy
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn import functional as F

from ablation.config import ModelConfig, TransferConfig
from ablation.network import model, preprocessing, transfer
from ablation.network.cpu.fold import fold
from ablation.network.transfer import Parts
from tests.network.made_up import made_up_pictures

NETWORKS = [
    ("timm", "convnext_atto"),
    ("torchvision", "convnext_tiny"),
    ("timm", "vit_tiny_patch16_224"),
    ("torchvision", "vit_b_16"),
    ("timm", "swin_tiny_patch4_window7_224"),
    ("torchvision", "swin_t"),
    ("timm", "mobilenetv3_small_050"),
    ("torchvision", "mobilenet_v3_small"),
    ("timm", "regnetx_002"),
    ("torchvision", "regnet_y_400mf"),
    ("timm", "vgg11"),
    ("torchvision", "vgg11_bn"),
    ("timm", "densenet121"),
    ("torchvision", "densenet121"),
    ("timm", "resnetv2_50"),
    ("timm", "resnetv2_50d_gn"),
]
MODES = {
    "scratch": TransferConfig(False, "all"),
    "full": TransferConfig(True, "all"),
    "frozen": TransferConfig(True, "head"),
    "partial": TransferConfig(True, "stages"),
}
PAGE = Path(__file__).resolve().parents[2] / "results" / "networks" / "README.md"
HEAD = """# Networks by name

`python -m tests.network.families` makes this table. Each network is built by its name at a random
start (no weights are downloaded), cut into stages, and trained for three steps on 2 made-up
pictures in each transfer mode. The columns of the modes: how many of its tensors get a gradient
and change in these steps; all others, and all statistics of what is frozen, stay as they were, to
the bit. *Folded*: the largest difference between the logits of the network as it is trained and of
the one that is used to validate and predict, whose BatchNorms are folded into convolutions.

| library | network | stages | the last one | tensors | scratch | full | frozen | partial | folded |
|---|---|---:|---|---:|---:|---:|---:|---:|---:|
"""


@dataclass(frozen=True)
class Row:
    """What was found about a network.

    Attributes:
        library, name: of the network.
        n_stages: with weights.
        last: the stage that `transfer=partial` trains.
        n_tensors: with the head's.
        trained: transfer mode → how many tensors get a gradient.
        moved: transfer mode → how many tensors are others after three steps.
        fold_error: the largest difference of a logit.
    """

    library: str
    name: str
    n_stages: int
    last: str
    n_tensors: int
    trained: dict[str, int]
    moved: dict[str, int]
    fold_error: float


def tried(library: str, name: str) -> Row:
    """Build a network and train it for three steps in each mode.

    Raises:
        AssertionError: something that is frozen has changed.
    """
    config = ModelConfig(library, name, "default")
    network = model.build(config, 3, pretrained=False, seed=0)
    views = made_up_pictures(preprocessing.published(config).size)
    trained, moved, last = {}, {}, ""
    for mode, wanted in MODES.items():
        parts = transfer.apply(copy.deepcopy(network), wanted)
        trained[mode] = len(parts.trained())
        moved[mode] = _step(parts, views)
        if mode == "partial":
            last = next(name for name, _ in parts.above.named_children())
    whole = transfer.apply(network, MODES["full"]).above.eval()
    with torch.no_grad():
        error = (fold(whole, views)(views) - whole(views)).abs().max()
    n_stages = sum(any(True for _ in stage.parameters()) for stage in network.trunk)
    n_tensors = len(list(network.parameters()))
    return Row(library, name, n_stages, last, n_tensors, trained, moved, float(error))


def _step(parts: Parts, views: torch.Tensor) -> int:
    """Three steps of training; how many trained tensors have changed."""
    before = [weight.detach().clone() for weight in parts.trained()]
    frozen = parts.frozen_digest()
    # Steps of the sign alone: in a deep network at a random start some gradients are tiny. Three,
    # for where a block's last norm starts at 0 the layers before it have no gradient at first.
    optimizer = torch.optim.Rprop(parts.trained(), lr=1e-3)
    parts.train()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for _ in range(3):
            optimizer.zero_grad()
            F.cross_entropy(parts.above(parts.below(views)), torch.tensor([0, 2])).backward()
            optimizer.step()
    assert parts.frozen_digest() == frozen
    pairs = zip(before, parts.trained(), strict=True)
    return sum(not torch.equal(old, new) for old, new in pairs)


def as_line(row: Row) -> str:
    """A row of the page."""
    counts = " | ".join(str(row.moved[mode]) for mode in MODES)
    error = "below 1e-4" if row.fold_error < 1e-4 else f"{row.fold_error:.1e}"
    return (
        f"| {row.library} | {row.name} | {row.n_stages} | {row.last} | {row.n_tensors} | "
        f"{counts} | {error} |"
    )


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    lines = []
    for network in NETWORKS:
        lines.append(as_line(tried(*network)))
        print(lines[-1], flush=True)
    PAGE.write_text(HEAD + "\n".join(lines) + "\n")
