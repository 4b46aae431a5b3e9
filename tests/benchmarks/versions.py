"""Two versions of the project side by side: is any of its usual work slower than it was?

    python -m tests.benchmarks.versions BEFORE ROOT [--repeats 3] [--out results/benchmarks]

BEFORE is another checkout, ROOT the folder of the ants and bees. Each command runs in an empty
folder, in turn with one version and the other, from the shell, start-up, MLflow and report
included. The ResNet starts at random: its weights change no time.
"""

import argparse
import os
import statistics
import tempfile
from pathlib import Path

from tests.benchmarks.whole import Spent, spent

ROOT = Path(__file__).resolve().parents[2]
#: What a row is called → the command's words; PICTURES stands for those that name the pictures.
WORK = {
    "the README's study, 6 runs": ("-m", "transfer=full,frozen,scratch", "reg=l1,l2"),
    "12 frozen runs, ants and bees": (
        *("-m", "PICTURES", "transfer=frozen", "optimizer=sgd,adam", "reg=none,l1,l2"),
        "optimizer.lr=1e-3,1e-2",
    ),
    "one full run, EfficientNet-Lite0, 2 epochs": ("PICTURES", "transfer=full", "epochs=2"),
    "one full run, ResNet-18, 2 epochs": (
        *("PICTURES", "transfer=full", "epochs=2", "model=resnet18", "transfer.pretrained=false"),
    ),
}


def main() -> None:
    """Measure, and print the table; with --out, write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("before", type=Path)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    pictures = ("data=imagefolder", f"data.root={arguments.pictures.resolve()}", "batch_size=32")
    rows = []
    for name, words in WORK.items():
        given = [one for word in words for one in (pictures if word == "PICTURES" else (word,))]
        found = [
            (measured(arguments.before.resolve(), given), measured(ROOT, given))
            for _ in range(arguments.repeats)
        ]
        cells = [of_pairs([(old[kind], new[kind]) for old, new in found]) for kind in (0, 1)]
        rows.append(f"| {name} | {' | '.join(cells)} |")
        print(rows[-1], found, flush=True)
    text = f"""# Before and now

`python -m tests.benchmarks.versions BEFORE ROOT --out results/benchmarks`: whole commands from the
shell, each in an empty folder, in turn with an earlier version of the project and this one; medians
of {arguments.repeats}. *Now / before*: the median of the pairs' ratios. Seconds of the processors
depend less than those of the clock on what else the machine does.

| work | before | now | now / before | processors, before | now | now / before |
|---|--:|--:|--:|--:|--:|--:|
""" + "\n".join(rows)
    text += f"\n\n{os.cpu_count()} cores.\n"
    print(text)
    if arguments.out:
        (arguments.out / "versions.md").write_text(text)


def of_pairs(pairs: list[tuple[float, float]]) -> str:
    """The medians of both sides, and of the pairs' ratios: both met the machine in one state."""
    before, now = (statistics.median(side) for side in zip(*pairs, strict=True))
    ratio = statistics.median(new / old for old, new in pairs)
    return f"{before:.1f} s | {now:.1f} s | {ratio:.2f}"


def measured(code: Path, words: list[str]) -> Spent:
    """What a command takes with the code of a checkout, in an empty folder."""
    with tempfile.TemporaryDirectory(prefix="ablation-benchmark-") as folder:
        return spent(code, Path(folder), words)


if __name__ == "__main__":
    main()
