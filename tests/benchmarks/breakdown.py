"""Where the time of a full run's epoch goes, in the naive loop and here.

    python -m tests.benchmarks.breakdown ROOT [--out results/benchmarks]

Each part is timed by itself, on the same pictures, in one process, the two sides in turn; medians
of three. What runs beside the training (views made ahead, logging in its own thread) is shown with
its full cost here.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.nn import functional as F

from ablation import data, device, grid, model, tracking, views
from ablation.config import Config
from ablation.data import Pictures

Parts = dict[str, Callable[[], object]]


def ours(config: Config, pictures: Pictures, batch: int) -> Parts:
    net = model.build(config.model, len(pictures.classes), pretrained=True, seed=0)
    labels = torch.from_numpy(pictures.train.labels)
    order = views.batches(np.arange(len(labels)), batch)
    val = views.validation_views(pictures.val, range(len(pictures.val)), config.data)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)

    def make_views() -> list[torch.Tensor]:
        return [views.training_views(pictures.train, part, 0, 1, config.data) for part in order]

    made = [views.normalise(x, config.model) for x in make_views()]
    return {
        "decode": lambda: None,  # once a study, before the first epoch
        "views": lambda: [views.normalise(x, config.model) for x in make_views()],
        **steps(net, optimizer, made, [labels[torch.from_numpy(part)] for part in order]),
        "validation": lambda: forward(
            net, [views.normalise(x, config.model) for x in val.split(32)]
        ),
    }


def naive(root: Path, pictures: Pictures, size: int, batch: int, name: str) -> Parts:
    from tests.benchmarks.naive import datasets, network, transforms

    net = network(name, "full")
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    pixels = [transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.5] * 3)]
    crop = transforms.Compose(
        [transforms.RandomResizedCrop(size), transforms.RandomHorizontalFlip(), *pixels]
    )
    centre = transforms.Compose(
        [transforms.Resize(round(size / 0.875)), transforms.CenterCrop(size), *pixels]
    )
    train, val = (datasets.ImageFolder(root / split) for split in ("train", "val"))
    decoded = [train[index][0] for index in range(len(train))]
    made = list(torch.stack([crop(picture) for picture in decoded]).split(batch))
    labels = list(torch.tensor(train.targets).split(batch))
    return {
        "decode": lambda: [train[index] for index in range(len(train))],
        "views": lambda: [crop(picture) for picture in decoded],
        **steps(net, optimizer, made, labels),
        "validation": lambda: forward(
            net,
            list(torch.stack([centre(val[index][0]) for index in range(len(val))]).split(batch)),
        ),
    }


def steps(
    net: nn.Module,
    optimizer: torch.optim.Optimizer,
    made: list[torch.Tensor],
    labels: list[torch.Tensor],
) -> Parts:
    """An epoch's training steps, their three parts timed apart."""
    losses: list[torch.Tensor] = []

    def go_forward() -> None:
        net.train()
        losses[:] = [F.cross_entropy(net(x), y) for x, y in zip(made, labels, strict=True)]

    def go_backward() -> None:
        optimizer.zero_grad()
        for loss in losses:
            loss.backward()

    def step() -> None:
        for _ in made:
            optimizer.step()

    return {"forward": go_forward, "backward": go_backward, "optimizer": step}


def forward(net: nn.Module, batches: list[torch.Tensor]) -> None:
    net.eval()
    with torch.no_grad():
        for x in batches:
            net(x)


def seconds(task: Callable[[], object]) -> float:
    start = time.perf_counter()
    task()
    return time.perf_counter() - start


def start_up() -> dict[str, float]:
    """Seconds to import, each in a process of its own."""
    found = {}
    for name in ("torch", "mlflow", "timm"):
        # timm imports torchvision, which may need torch's help first.
        code = "from ablation.model import import_torchvision as i; i(); " if name == "timm" else ""
        command = [sys.executable, "-c", f"{code}import {name}"]
        found[f"import {name}"] = statistics.median(
            seconds(lambda command=command: subprocess.run(command, check=True)) for _ in range(3)
        )
    return found


def logging() -> dict[str, float]:
    """Seconds that MLflow takes for one epoch's metrics, on SQLite."""
    row = {"epoch": 1.0, **{f"metric{index}": 0.5 for index in range(7)}}
    with tempfile.TemporaryDirectory() as folder:
        client = tracking.connect(f"sqlite:///{folder}/mlflow.db")
        log = tracking.RunLog(client, tracking.open_study(client, "s"), "run", {"a": 1}, {})
        log.wait()

        def epoch() -> None:
            log.epoch(row)
            log.wait()

        return {"logging an epoch": statistics.median(seconds(epoch) for _ in range(9))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path)
    parser.add_argument("--model", default="efficientnet_lite0", choices=("efficientnet_lite0",))
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    where = ["data=imagefolder", f"data.root={arguments.root}", f"data.size={arguments.size}"]
    config = grid.expand(where, multirun=False).runs[0].config
    once = {**start_up(), "decode, once a study": seconds(lambda: data.load(config.data))}
    pictures = data.load(config.data)
    naive_parts = naive(
        arguments.root, pictures, arguments.size, arguments.batch_size, arguments.model
    )
    plain = {name: [] for name in naive_parts}
    fast = {name: [] for name in naive_parts}
    our_parts = ours(config, pictures, arguments.batch_size)
    for _ in range(3):
        for name in naive_parts:
            torch.set_flush_denormal(False)
            plain[name].append(seconds(naive_parts[name]))
            device.prepare()
            fast[name].append(seconds(our_parts[name]))
    table = pd.DataFrame(
        {
            "naive, s": {name: statistics.median(found) for name, found in plain.items()},
            "here, s": {name: statistics.median(found) for name, found in fast.items()},
        }
    )
    table.loc["an epoch"] = table.sum()
    text = table.round(2).to_markdown()
    once |= logging()
    text += "\n\n" + pd.DataFrame({"seconds": once}).round(2).to_markdown()
    print(text)
    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)
        (arguments.out / "breakdown.md").write_text(
            "# Where the time of an epoch goes\n\n```\npython -m tests.benchmarks.breakdown ROOT "
            f"--out results/benchmarks\n```\n\n{text}\n\n{arguments.model}, full, "
            f"{arguments.size} px, batches of {arguments.batch_size}, 244 pictures to train and "
            "153 to validate.\n"
        )


if __name__ == "__main__":
    main()
