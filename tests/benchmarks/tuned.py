"""A plain loop tuned by hand: pictures decoded once, channels last, and nothing else.

What the framework's own loop may cost is measured against it: no logging, no checks, no best
weights beside the training.

    python -m tests.benchmarks.tuned ROOT --model resnet18 --epochs 5
"""

import argparse
import json
import time

import torch
from torch.nn import functional as F

from ablation.network import model, preprocessing
from ablation.pictures import data, views
from ablation.study import grid


def train(arguments: argparse.Namespace) -> dict[str, float]:
    torch.set_flush_denormal(True)
    pictures_config = ["data=imagefolder", f"data.root={arguments.root}"]
    size = f"data.size={arguments.size}"
    asked = grid.expand([*pictures_config, size, f"model={arguments.model}"], multirun=False)
    config = preprocessing.filled(asked.runs[0].config)
    pictures = data.load(config.data)
    net = model.build(config.model, 2, pretrained=False, seed=0)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    labels = torch.from_numpy(pictures.train.labels)
    targets = torch.from_numpy(pictures.val.labels)
    val = views.validation_views(pictures.val, range(len(targets)), config.data)
    start = time.perf_counter()
    for epoch in range(1, arguments.epochs + 1):
        net.train()
        for batch in torch.randperm(len(labels)).split(arguments.batch_size):
            x = views.training_views(pictures.train, batch.tolist(), 0, epoch, config.data)
            loss = F.cross_entropy(net(views.normalise(x, config.model)), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        net.eval()
        with torch.no_grad():
            parts = [net(views.normalise(x, config.model)) for x in val.split(32)]
        (torch.cat(parts).argmax(1) == targets).float().mean().item()
    return {"loop_seconds": time.perf_counter() - start}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("root")
    parser.add_argument("--model", default="resnet18")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--size", type=int, default=224)
    print(json.dumps(train(parser.parse_args())))


if __name__ == "__main__":
    main()
