"""An epoch on a machine that does other work: alone, beside busy threads, three studies at once.

    python -m tests.benchmarks.busy ROOT --out results/benchmarks

Of both sides, the framework and the naive loop, an epoch of full training is timed from inside its
own process, the first one left out; the sides take turns. A busy thread is an endless loop in a
process of its own. Of three at once, only epochs count during which all three were training.
"""

import argparse
import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

#: Beside what an epoch is timed: busy threads, and how many trainings at once.
CONDITIONS = {
    "alone": (0, 1),
    "one busy thread": (1, 1),
    "two busy threads": (2, 1),
    "three at once": (0, 3),
}
#: When an epoch began and ended, in seconds of the machine's clock.
Span = tuple[float, float]


def ours(root: Path, size: int, epochs: int) -> list[Span]:
    """Full training as a run does it, without the store."""
    import torch

    from ablation.network import device, model, preprocessing, transfer
    from ablation.network.cpu.install import install
    from ablation.network.device import Compute
    from ablation.pictures import data
    from ablation.study import grid
    from ablation.training.cache import Cache
    from ablation.training.examples import examples_of
    from ablation.training.fit import fit

    where = ["data=imagefolder", f"data.root={root}", f"data.size={size}", "batch_size=32"]
    asked = grid.expand([*where, f"epochs={epochs}"], multirun=False)
    config = preprocessing.filled(asked.runs[0].config)
    device.prepare()
    compute = Compute(torch.device("cpu"), torch.float32)
    pictures = data.load(config.data)
    network = model.build(config.model, len(pictures.classes), pretrained=True, seed=0)
    parts = transfer.apply(network, config.transfer)
    install(parts.above, parts.below, size)
    spans: list[Span] = []

    def told(row: Mapping[str, float]) -> None:
        now = time.time()
        spans.append((now - row["epoch_seconds"], now))

    examples = examples_of(parts, pictures, config, compute, Cache(config.cache.memory_gb * 1e9))
    fit(parts, examples, config, compute, told)
    return spans


def naive(root: Path, size: int, epochs: int) -> list[Span]:
    """The loop of tutorials."""
    from tests.benchmarks import naive as loop

    arguments = ["--transfer", "full", "--epochs", str(epochs), "--size", str(size)]
    return loop.train(loop.parser().parse_args([str(root), *arguments]))["spans"]


SIDES = {"ours": ours, "naive": naive}


def measure(root: Path, side: str, size: int, condition: str, n_epochs: int) -> float:
    """Median seconds of an epoch, over all trainings of the condition."""
    n_busy, n_at_once = CONDITIONS[condition]
    command = [sys.executable, "-m", "tests.benchmarks.busy", str(root), "--side", side]
    command += ["--sizes", str(size), "--epochs", str(n_epochs)]
    with busy(n_busy), tempfile.TemporaryDirectory() as cache:
        env = {**os.environ, "ABLATION_CACHE": cache}
        children = [
            subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True)
            for _ in range(n_at_once)
        ]
        found = [json.loads(child.communicate()[0].splitlines()[-1])[1:] for child in children]
    if any(child.returncode for child in children):
        raise RuntimeError(f"{' '.join(command)} failed")
    start = max(spans[0][0] for spans in found)
    end = min(spans[-1][1] for spans in found)
    return statistics.median(
        last - first for spans in found for first, last in spans if first >= start and last <= end
    )


@contextlib.contextmanager
def busy(n_threads: int) -> Iterator[None]:
    """So many endless loops, each in a process of its own."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(n_threads)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def few(root: Path, into: Path, n_train: int, n_val: int) -> Path:
    """A folder of links to some of the pictures, the same number of each class."""
    for split, n in (("train", n_train), ("val", n_val)):
        classes = sorted(path for path in (root / split).iterdir() if path.is_dir())
        for folder in classes:
            target = into / split / folder.name
            target.mkdir(parents=True)
            for picture in sorted(folder.glob("*.jpg"))[: n // len(classes)]:
                (target / picture.name).symlink_to(picture.resolve())
    return into


def table(seconds: Mapping[str, Mapping[str, list[float]]]) -> str:
    """Markdown: a row for each size and side, with the ratio to the epoch alone."""
    lines = ["| pixels | side | " + " | ".join(CONDITIONS) + " |"]
    lines.append("|--:|---|" + "--:|" * len(CONDITIONS))
    for name, found in seconds.items():
        size, side = name.split()
        medians = {condition: statistics.median(values) for condition, values in found.items()}
        entries = [
            f"{medians[condition]:.2f} s"
            + ("" if condition == "alone" else f" (× {medians[condition] / medians['alone']:.1f})")
            for condition in CONDITIONS
            if condition in medians
        ]
        lines.append(f"| {size} | {side} | " + " | ".join(entries) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path)
    parser.add_argument("--sizes", nargs="*", type=int, default=[96, 128, 160, 224])
    parser.add_argument("--sides", nargs="*", choices=SIDES, default=list(SIDES))
    parser.add_argument("--conditions", nargs="*", choices=CONDITIONS, default=list(CONDITIONS))
    parser.add_argument("--pictures", type=int, default=64, help="to train")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, help="folder for busy.md and busy.json")
    parser.add_argument("--side", choices=SIDES, help="one training, its epochs as JSON")
    arguments = parser.parse_args()
    if arguments.side:
        print(json.dumps(SIDES[arguments.side](arguments.root, *arguments.sizes, arguments.epochs)))
        return
    seconds: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        root = few(arguments.root, Path(folder), arguments.pictures, 24)
        for _ in range(arguments.repeats):
            for size in arguments.sizes:
                for condition in arguments.conditions:
                    for side in arguments.sides:
                        found = measure(root, side, size, condition, arguments.epochs)
                        row = seconds.setdefault(f"{size} {side}", {})
                        row.setdefault(condition, []).append(found)
                        print(f"{size} {side} {condition}: {found:.2f} s", file=sys.stderr)
    print(table(seconds))
    if arguments.out:
        save(arguments, seconds)


def save(arguments: argparse.Namespace, seconds: Mapping[str, Mapping[str, list[float]]]) -> None:
    arguments.out.mkdir(parents=True, exist_ok=True)
    machine = f"{os.cpu_count()} cores, {platform.machine()}"
    (arguments.out / "busy.md").write_text(
        "# On a machine that does other work\n\n"
        "```\npython -m tests.benchmarks.busy ROOT --out results/benchmarks\n```\n\n"
        f"{table(seconds)}\n\nSeconds of an epoch of full training, EfficientNet-Lite0, "
        f"{arguments.pictures} pictures to train and 24 to validate, batches of 32; in brackets, "
        f"against the same side alone. Medians of {arguments.repeats} × {arguments.epochs - 1} "
        f"epochs, the sides in turn; {machine}. Single seconds are in `busy.json`.\n"
    )
    (arguments.out / "busy.json").write_text(json.dumps(seconds, indent=1))


if __name__ == "__main__":
    main()
