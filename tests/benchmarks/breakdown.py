"""Where the time of a full run's epoch goes, in the naive loop and here.

    python -m tests.benchmarks.breakdown ROOT [--out results/benchmarks]

Each part is timed by itself, on the same pictures, each side in a process of its own, in turn (A,
B, A, B, …); medians, each the second epoch of its process. The last row is an epoch as it runs,
with what else goes on beside it, such as the naive loop's loading worker: the mean of two.
"""

import argparse
import json
import shutil
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

from ablation import config as schema
from ablation.config import Config
from ablation.network import device, model, preprocessing, transfer
from ablation.network.cpu.fold import fold
from ablation.pictures import data, views
from ablation.study import grid
from ablation.tracking import runlog, store
from ablation.training import batches
from ablation.training.optimizer import Optimizer
from tests.benchmarks.__main__ import Bench, loop_of, our_loop

Seconds = dict[str, float]


def ours(config: Config) -> Seconds:
    from ablation.network.cpu.replace import replace_layers

    device.prepare()
    config = preprocessing.filled(config)
    pictures = data.load(config.data)
    whole = model.build(config.model, len(pictures.classes), pretrained=True, seed=0)
    net = transfer.apply(whole, config.transfer).above
    size = schema.chosen(config.data.size)
    replace_layers(net, torch.linspace(-2, 2, 3 * size * size).view(1, 3, size, size))
    optimizer = Optimizer(net, config.optimizer, None).torchs
    labels = torch.from_numpy(pictures.train.labels)
    order = batches.consecutive(np.arange(len(labels)), config.batch_size)
    val = views.validation_views(pictures.val, range(len(pictures.val)), config.data)
    made: list[torch.Tensor] = []

    def make_views() -> None:
        made[:] = [
            views.normalise(
                views.training_views(pictures.train, part, 0, 1, config.data), config.model
            )
            for part in order
        ]

    def validate() -> None:
        batches = [views.normalise(x, config.model) for x in val.split(32)]
        forward(fold(net, batches[0][:2]), batches)

    def epoch() -> Seconds:
        return {
            "decode": 0.0,  # once a study, before the first epoch
            "views": seconds(make_views),
            **steps(net, optimizer, made, [labels[torch.from_numpy(part)] for part in order]),
            "validation": seconds(validate),
        }

    epoch()
    return epoch()


def naive(config: Config) -> Seconds:
    from tests.benchmarks.naive import datasets, network, transforms

    net = network("efficientnet_lite0", "full")
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    size, batch, root = config.data.size, config.batch_size, Path(config.data.root or "")
    pixels = [transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.5] * 3)]
    crop = transforms.Compose(
        [transforms.RandomResizedCrop(size), transforms.RandomHorizontalFlip(), *pixels]
    )
    centre = transforms.Compose(
        [transforms.Resize(round(size / 0.875)), transforms.CenterCrop(size), *pixels]
    )
    train, val = (datasets.ImageFolder(root / split) for split in ("train", "val"))
    labels = list(torch.tensor(train.targets).split(batch))
    decoded, made = [], []

    def decode() -> None:
        decoded[:] = [train[index][0] for index in range(len(train))]

    def make_views() -> None:
        made[:] = torch.stack([crop(picture) for picture in decoded]).split(batch)

    def validate() -> None:
        pictures = torch.stack([centre(val[index][0]) for index in range(len(val))])
        forward(net, list(pictures.split(batch)))

    def epoch() -> Seconds:
        return {
            "decode": seconds(decode),
            "views": seconds(make_views),
            **steps(net, optimizer, made, labels),
            "validation": seconds(validate),
        }

    epoch()
    return epoch()


def steps(
    net: nn.Module,
    optimizer: torch.optim.Optimizer,
    made: list[torch.Tensor],
    labels: list[torch.Tensor],
) -> Seconds:
    """An epoch's training steps, their three parts timed apart."""
    net.train()
    spent = {"forward": 0.0, "backward": 0.0, "optimizer": 0.0}
    for x, y in zip(made, labels, strict=True):
        start = time.perf_counter()
        loss = F.cross_entropy(net(x), y)
        forward_end = time.perf_counter()
        optimizer.zero_grad()
        loss.backward()
        backward_end = time.perf_counter()
        optimizer.step()
        end = time.perf_counter()
        spent["forward"] += forward_end - start
        spent["backward"] += backward_end - forward_end
        spent["optimizer"] += end - backward_end
    return spent


def forward(net: nn.Module, batches: list[torch.Tensor]) -> None:
    net.eval()
    with torch.no_grad():
        for x in batches:
            net(x)


def seconds(task: Callable[[], object]) -> float:
    start = time.perf_counter()
    task()
    return time.perf_counter() - start


def start_up(repeats: int) -> dict[str, float]:
    """Seconds to import, each in a process of its own."""
    found = {}
    for name in ("torch", "mlflow", "timm"):
        # timm imports torchvision, which may need torch's help first.
        code = (
            "from ablation.compat import import_torchvision as i; i(); " if name == "timm" else ""
        )
        command = [sys.executable, "-c", f"{code}import {name}"]
        found[f"import {name}"] = statistics.median(
            seconds(lambda command=command: subprocess.run(command, check=True))
            for _ in range(repeats)
        )
    return found


def logging() -> dict[str, float]:
    """Seconds that MLflow takes for one epoch's metrics, on SQLite."""
    row = {"epoch": 1.0, **{f"metric{index}": 0.5 for index in range(7)}}
    with tempfile.TemporaryDirectory() as folder:
        client = store.connect(f"sqlite:///{folder}/mlflow.db")
        study = store.open_study(client, "s")
        log = runlog.RunLog(study, "run", {"a": 1}, {})
        log.wait()

        def epoch() -> None:
            log.epoch(row)
            log.wait()

        return {"logging an epoch": statistics.median(seconds(epoch) for _ in range(9))}


def as_they_run(root: Path, size: int, repeats: int) -> list[float]:
    """Seconds of an epoch of the naive loop, and of one here."""
    bench = Bench(root.resolve())
    sides = (
        loop_of("naive", "--transfer", "full", "--epochs", "2", "--size", str(size)),
        our_loop("transfer=full", "epochs=2", f"data.size={size}"),
    )
    found = [[side.measure(bench) / 2 for side in sides] for _ in range(repeats)]
    shutil.rmtree(bench.folder)
    return [statistics.median(seconds) for seconds in zip(*found, strict=True)]


def markdown(table: pd.DataFrame) -> str:
    lines = [["", *table.columns], ["---", *["--:"] * len(table.columns)]]
    lines += [[name, *(f"{value:.2f}" for value in row)] for name, *row in table.itertuples()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--side", choices=("naive", "here"), help="one side, once, as JSON")
    arguments = parser.parse_args()
    where = ["data=imagefolder", f"data.root={arguments.root}", f"data.size={arguments.size}"]
    config = grid.expand([*where, "batch_size=32"], multirun=False).runs[0].config
    if arguments.side:
        print(json.dumps(naive(config) if arguments.side == "naive" else ours(config)))
        return
    found: dict[str, list[Seconds]] = {"naive": [], "here": []}
    for _ in range(arguments.repeats):
        for side, results in found.items():
            command = [sys.executable, "-m", __spec__.name, *sys.argv[1:], "--side", side]
            out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            results.append(json.loads(out.splitlines()[-1]))
    table = pd.DataFrame(
        {f"{side}, s": pd.DataFrame(results).median() for side, results in found.items()}
    )
    table.loc["all of these"] = table.sum()
    table.loc["an epoch as it runs"] = as_they_run(
        arguments.root, arguments.size, arguments.repeats
    )
    start = time.perf_counter()
    pictures = data.load(config.data)
    once = {
        "decode, once a study": time.perf_counter() - start,
        **start_up(arguments.repeats),
        **logging(),
    }
    text = f"{markdown(table)}\n\n{markdown(pd.DataFrame({'seconds': once}))}"
    print(text)
    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)
        (arguments.out / "breakdown.md").write_text(
            "# Where the time of an epoch goes\n\n```\npython -m tests.benchmarks.breakdown ROOT "
            f"--out results/benchmarks\n```\n\n{text}\n\n{config.model.name}, full, "
            f"{arguments.size} px, batches of {config.batch_size}; {pictures.summary()}; medians "
            f"of {arguments.repeats}.\n"
        )


if __name__ == "__main__":
    main()
