"""Many pictures: what it takes to know them, at a first command and at the next; and their memory.

    python -m tests.benchmarks.many BEFORE [--pictures 200000] [--partial 20000] [--out FOLDER]

BEFORE is another checkout of the project. Pictures of 64 × 64 pixels in 20 classes are made in a
temporary folder. Each start is a process of its own that finds, reads, describes and compares all
pictures; the files themselves are in the system's cache. Then one run is trained with
`transfer=partial` on fewer of them.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from tests.benchmarks.whole import Spent, spent

ROOT = Path(__file__).resolve().parents[2]
N_CLASSES, SIDE = 20, 64
#: What a start does; its seconds, and the most memory that it held, in MB.
START = """
import json, resource, sys, time
start = time.perf_counter()
from ablation.config import CacheConfig, DataConfig
from ablation.pictures import data
config = DataConfig(source="folder", root=sys.argv[1], size=64)
data.load(config, CacheConfig(folder=sys.argv[2]))
seconds = time.perf_counter() - start
print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000]))
"""


class Start(NamedTuple):
    """Seconds of a start, and the most memory that it held, in MB."""

    seconds: float
    memory: float


def main() -> None:
    """Make the pictures, measure, and print the table; with --out, write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("before", type=Path)
    parser.add_argument("--pictures", type=int, default=200_000)
    parser.add_argument("--partial", type=int, default=20_000)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ablation-benchmark-") as name:
        folder = Path(name)
        many, fewer = folder / "many", folder / "fewer"
        make(many, arguments.pictures)
        make(fewer, arguments.partial)
        first = start(ROOT, many, folder / "now")
        start(arguments.before, many, folder / "before")
        again = [
            (start(arguments.before, many, folder / "before"), start(ROOT, many, folder / "now"))
            for _ in range(3)
        ]
        before, now = (sorted(side)[1] for side in zip(*again, strict=True))
        trained = partial(fewer, folder)
    text = f"""# Many pictures

`python -m tests.benchmarks.many BEFORE --out results/benchmarks`: {arguments.pictures:,} pictures
of {SIDE} px in {N_CLASSES} classes, from nothing to all of them found, read, described and searched
for copies. The second start finds them in the index of the first; of it, medians of 3, in turn with
an earlier version of the project.

| | seconds | memory |
|---|--:|--:|
| first start | {first.seconds:.0f} | {first.memory:.0f} MB |
| second start | {now.seconds:.1f} | {now.memory:.0f} MB |
| second start, before | {before.seconds:.1f} | {before.memory:.0f} MB |

Memory is that of the command itself; the processes that read pictures for it hold less each.

One run of `transfer=partial` on {arguments.partial:,} of them, two epochs at {SIDE} px, held
{trained.memory:.0f} MB at most and took {trained.seconds:.0f} s. {os.cpu_count()} cores.
"""
    print(text)
    if arguments.out:
        (arguments.out / "many.md").write_text(text)


def make(root: Path, n: int) -> None:
    """Paint so many pictures, a fifth of them to validate."""
    for split in ("train", "val"):
        for of in range(N_CLASSES):
            (root / split / f"class{of:02}").mkdir(parents=True)
    with ProcessPoolExecutor() as pool:
        list(pool.map(_paint, [root] * n, range(n), chunksize=500))


def _paint(root: Path, number: int) -> None:
    blocks = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    split = "val" if number % 5 == 0 else "train"
    path = root / split / f"class{number // 5 % N_CLASSES:02}" / f"{number:07}.jpg"
    picture = Image.fromarray(blocks).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    picture.save(path, quality=80)


def start(code: Path, root: Path, cache: Path) -> Start:
    """What a start takes with the code of a checkout."""
    command = [sys.executable, "-c", START, str(root), str(cache)]
    env = {**os.environ, "PYTHONPATH": str(code)}
    # Elsewhere than beside another checkout: Python looks there first.
    done = subprocess.run(
        command, cwd=cache.parent, env=env, capture_output=True, text=True, check=True
    )
    return Start(*json.loads(done.stdout.splitlines()[-1]))


def partial(root: Path, folder: Path) -> Spent:
    """What a command takes that trains the last stage."""
    words = ["data=imagefolder", f"data.root={root}", f"data.size={SIDE}", "transfer=partial"]
    return spent(ROOT, folder, [*words, "epochs=2", "batch_size=64"])


if __name__ == "__main__":
    main()
