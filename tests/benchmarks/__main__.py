"""The framework against the naive loop, side by side: a table of ratios.

    python -m tests.benchmarks ROOT [--only NAME …] [--repeats 3] [--out results/benchmarks]

ROOT is the folder of the ants and bees, with train/ and val/. Each side is a command in a process
of its own, run in turn (A, B, A, B, …) on the same machine; medians are compared, of whole
processes from the shell, start-up, MLflow and report included, unless a row says otherwise.
The ResNets start at random on both sides: their weights change no time. The last row wants
`pip install lightning`. On two cores the whole
table takes two hours, most of them the naive sides of `grid` and `frozen12`.
"""

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Side:
    """One side of a comparison: what takes the seconds that are compared."""

    measure: Callable[["Bench"], float]
    words: str


@dataclass
class Case:
    """One row of the table."""

    name: str
    work: str
    naive: Side
    ours: Side
    at_least: str
    seconds: dict[str, list[float]] = field(default_factory=lambda: {"naive": [], "ours": []})


class Bench:
    """Where and how the commands run."""

    def __init__(self, pictures: Path) -> None:
        self.pictures = pictures
        self.folder = Path(tempfile.mkdtemp(prefix="ablation-benchmark-"))

    def shell(self, *arguments: str, cold: bool = True) -> tuple[float, str]:
        """Seconds of a command in a folder of its own, and what it printed."""
        work = self.folder / "work"
        if cold:
            shutil.rmtree(work, ignore_errors=True)
        work.mkdir(exist_ok=True)
        env = {**os.environ, "ABLATION_CACHE": str(work / "cache"), "PYTHONPATH": str(ROOT)}
        env.pop("MLFLOW_TRACKING_URI", None)
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, *arguments], cwd=work, env=env, capture_output=True, text=True
        )
        seconds = time.perf_counter() - start
        if done.returncode:
            raise RuntimeError(f"{' '.join(arguments)}\n{done.stdout}\n{done.stderr}")
        return seconds, done.stdout


def naive(*options: str, cells: int = 1) -> Side:
    """The naive loop, its loop and start-up, one process a cell."""
    arguments = " ".join(options)

    def measure(bench: Bench) -> float:
        command = ["-m", "tests.benchmarks.naive", str(bench.pictures), *options]
        return sum(bench.shell(*command)[0] for _ in range(cells))

    return Side(measure, f"{cells} × naive {arguments}" if cells > 1 else f"naive {arguments}")


def ours(*arguments: str) -> Side:
    """The framework from cold: an empty store, no features, start-up and report included."""

    def measure(bench: Bench) -> float:
        where = ["data=imagefolder", f"data.root={bench.pictures}"]
        return bench.shell("-m", "ablation", *arguments, *where, "batch_size=32")[0]

    return Side(measure, "python -m ablation " + " ".join(arguments))


def seed_grid_naive(size: int) -> Side:
    def measure(bench: Bench) -> float:
        total = 0.0
        for transfer in ("full", "frozen", "scratch"):
            for reg in ("none", "l1", "l2"):
                for optimizer in ("sgd", "adam"):
                    side = naive(
                        *("--transfer", transfer, "--reg", reg, "--optimizer", optimizer),
                        *("--size", str(size)),
                    )
                    total += side.measure(bench)
        return total

    return Side(measure, f"18 × naive, --size {size}")


def frozen_naive() -> Side:
    def measure(bench: Bench) -> float:
        return sum(
            naive("--reg", reg, "--optimizer", optimizer, "--lr", lr).measure(bench)
            for optimizer in ("sgd", "adam")
            for reg in ("none", "l1", "l2")
            for lr in ("1e-3", "1e-2")
        )

    return Side(measure, "12 × naive, frozen")


def loop_of(module: str, *options: str) -> Side:
    """The seconds of a script's loop alone."""

    def measure(bench: Bench) -> float:
        _, out = bench.shell("-m", f"tests.benchmarks.{module}", str(bench.pictures), *options)
        return float(json.loads(out.splitlines()[-1])["loop_seconds"])

    return Side(measure, f"{module} {' '.join(options)}, its loop")


def our_loop(*overrides: str) -> Side:
    """The sum of the epochs' seconds, as they are logged."""

    def measure(bench: Bench) -> float:
        where = ["data=imagefolder", f"data.root={bench.pictures}", "batch_size=32"]
        _, out = bench.shell("-m", "ablation", *where, *overrides)
        return sum(float(found) for found in re.findall(r"epoch \d+/\d+ .* ([\d.]+) s$", out, re.M))

    return Side(measure, f"{' '.join(overrides)}, its epochs")


def lightning() -> Side:
    """The README's study by a script of Lightning, Hydra and MLflow, in one process."""

    def measure(bench: Bench) -> float:
        return bench.shell("-m", "tests.benchmarks.lightning_study", *STUDY)[0]

    return Side(measure, f"lightning_study {' '.join(STUDY)}")


def our_study() -> Side:
    """The README's study from cold, start-up and report included."""

    def measure(bench: Bench) -> float:
        return bench.shell("-m", "ablation", *STUDY)[0]

    return Side(measure, f"python -m ablation {' '.join(STUDY)}")


#: The README's study of handwritten digits: six runs.
STUDY = ("-m", "transfer=full,frozen,scratch", "reg=l1,l2")
RESNET18 = ("model=resnet18", "transfer.pretrained=false")

CASES = [
    Case(
        "frozen12",
        "12 frozen runs (2 optimizers × 3 regularizers × 2 learning rates), EfficientNet-Lite0",
        frozen_naive(),
        ours(
            *("-m", "transfer=frozen", "optimizer=sgd,adam", "reg=none,l1,l2"),
            "optimizer.lr=1e-3,1e-2",
        ),
        "15",
    ),
    Case(
        "frozen1",
        "one frozen run from cold, ResNet-18",
        naive("--model", "resnet18"),
        ours("transfer=frozen", *RESNET18),
        "1.5",
    ),
    Case(
        "full",
        "one full run, EfficientNet-Lite0",
        naive("--transfer", "full"),
        ours("transfer=full"),
        "3",
    ),
    Case(
        "full18",
        "one full run, ResNet-18",
        naive("--model", "resnet18", "--transfer", "full"),
        ours("transfer=full", *RESNET18),
        "1.1",
    ),
    Case(
        "tuned18",
        "one full run, ResNet-18, its loop alone, against a loop tuned by hand",
        loop_of("tuned", "--model", "resnet18"),
        our_loop("transfer=full", *RESNET18),
        "0.97",
    ),
    Case(
        "grid",
        "the seed grid: 3 transfers × 3 regularizers × 2 optimizers, EfficientNet-Lite0, 128 px",
        seed_grid_naive(128),
        ours(
            *("-m", "transfer=full,frozen,scratch", "reg=none,l1,l2", "optimizer=sgd,adam"),
            "data.size=128",
        ),
        "3",
    ),
    Case(
        "lightning",
        "the README's study, 6 runs at 64 px, against a script of Lightning, Hydra and MLflow",
        lightning(),
        our_study(),
        "2",
    ),
]


def measure(bench: Bench, case: Case, repeats: int) -> None:
    for index in range(repeats):
        for name, side in (("naive", case.naive), ("ours", case.ours)):
            case.seconds[name].append(side.measure(bench))
            seconds = case.seconds[name][-1]
            print(f"{case.name} {index + 1} {name}: {seconds:.1f} s", file=sys.stderr, flush=True)


def first_epoch(bench: Bench) -> float:
    """Seconds from the shell to the end of the main command's first epoch, on a store that is."""
    work = bench.folder / "work"
    few = ["data.train_pictures=24", "data.val_pictures=20", "epochs=1"]
    bench.shell("-m", "ablation", "transfer=frozen", *few)
    env = {**os.environ, "PYTHONPATH": str(ROOT), "ABLATION_CACHE": str(work / "cache")}
    command = [sys.executable, "-u", "-m", "ablation", "-m"]
    start = time.perf_counter()
    process = subprocess.Popen(
        [*command, "transfer=full,frozen,scratch", "reg=l1,l2"],
        cwd=work,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "epoch 1/5" in line:
            break
    seconds = time.perf_counter() - start
    process.terminate()
    process.wait()
    return seconds


def added(bench: Bench) -> float:
    """Seconds that each of ten frozen runs takes beyond its epochs, start-up aside."""
    seeds = ["transfer=frozen", "data.train_pictures=24", "data.val_pictures=20", "epochs=2"]
    spent = {}
    for n_runs in (2, 12):
        rates = ",".join(str(1e-3 * (1 + index)) for index in range(n_runs))
        seconds, out = bench.shell("-m", "ablation", "-m", *seeds, f"optimizer.lr={rates}")
        epochs = re.findall(r"epoch \d+/\d+ .* ([\d.]+) s", out)
        spent[n_runs] = seconds - sum(float(found) for found in epochs)
    return (spent[12] - spent[2]) / 10


SINGLES = (
    ("first_epoch", "first epoch of the main command, from the shell", first_epoch, "12"),
    ("added", "what the framework adds to a run (start-up aside)", added, "1"),
)


#: The row of what was not measured.
ON_A_GPU = (
    "| on a GPU: 12 frozen and 4 full runs, the share of time that it is busy, four runs at once "
    "(no GPU was at hand) | | | | |"
)
#: What the other commands leave in the same folder.
BESIDE = (
    (
        "breakdown.md",
        "\n[Where the time of an epoch goes](breakdown.md), by "
        "`python -m tests.benchmarks.breakdown ROOT --out results/benchmarks`.\n",
    ),
    (
        "busy.md",
        "\n[On a machine that does other work](busy.md), by "
        "`python -m tests.benchmarks.busy ROOT --out results/benchmarks`.\n",
    ),
    (
        "hundreds.md",
        "\n[Hundreds of small runs](hundreds.md), against an earlier version of the project, by "
        "`python -m tests.benchmarks.hundreds BEFORE --out results/benchmarks`.\n",
    ),
    (
        "versions.md",
        "\n[Before and now](versions.md): the same work with an earlier version of the project, by "
        "`python -m tests.benchmarks.versions BEFORE ROOT --out results/benchmarks`.\n",
    ),
    (
        "many.md",
        "\n[200,000 pictures](many.md), at a first start and at the next, by "
        "`python -m tests.benchmarks.many BEFORE --out results/benchmarks`.\n",
    ),
    (
        "scaling.png",
        "\nWhat a study costs as it grows, by "
        "`python -m tests.benchmarks.scaling ROOT --size 128 --out results/benchmarks`:\n\n"
        "![1 to 100 frozen runs, 1 to 4 full ones](scaling.png)\n",
    ),
)


def table(cases: Sequence[Case], singles: Mapping[str, list[float]]) -> str:
    lines = [
        "| work | naive | here | times faster | at least |",
        "|---|--:|--:|--:|--:|",
    ]
    for case in cases:
        if not case.seconds["ours"]:
            continue
        one, other = (statistics.median(case.seconds[side]) for side in ("naive", "ours"))
        n, n_ours = len(case.seconds["naive"]), len(case.seconds["ours"])
        times = f"{n} each" if n == n_ours else f"naive {n}, here {n_ours}"
        lines.append(
            f"| {case.work} ({times}) | {one:.1f} s | {other:.1f} s | **{one / other:.2f}** "
            f"| {case.at_least} |"
        )
    lines += [ON_A_GPU, "", "| | seconds | at most |", "|---|--:|--:|"]
    for name, work, _, limit in SINGLES:
        if seconds := singles.get(name):
            lines.append(
                f"| {work} ({len(seconds)}) | **{statistics.median(seconds):.2f}** | {limit} |"
            )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pictures", type=Path)
    parser.add_argument(
        "--only", nargs="*", default=[], help="rows by name; --out keeps the others"
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, help="folder for README.md and seconds.json")
    arguments = parser.parse_args()
    bench = Bench(arguments.pictures.resolve())
    singles: dict[str, list[float]] = {}
    kept = arguments.out / "seconds.json" if arguments.out else None
    if kept and kept.exists():
        before = json.loads(kept.read_text())
        singles = {name: before[name] for name, *_ in SINGLES if name in before}
        for case in CASES:
            case.seconds = before.get(case.name, case.seconds)
    for case in CASES:
        if not arguments.only or case.name in arguments.only:
            case.seconds = {"naive": [], "ours": []}
            measure(bench, case, arguments.repeats)
            save(arguments.out, singles)
    for name, _, function, _ in SINGLES:
        if not arguments.only or name in arguments.only:
            singles[name] = [function(bench) for _ in range(arguments.repeats)]
            save(arguments.out, singles)
    print(table(CASES, singles))
    shutil.rmtree(bench.folder)


def save(out: Path | None, singles: Mapping[str, list[float]]) -> None:
    if not out:
        return
    out.mkdir(parents=True, exist_ok=True)
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    (out / "README.md").write_text(
        "# The framework against the naive loop\n\n"
        "```\npython -m tests.benchmarks ROOT --out results/benchmarks\n```\n\n"
        f"{table(CASES, singles)}\n\n{machine}; the ants and bees, 5 epochs, batches of 32; "
        "medians of whole commands from the shell, the two sides in turn. What is compared, and "
        "how, is told in `tests/benchmarks/__main__.py`; single measurements are in "
        "`seconds.json`.\n" + "".join(text for name, text in BESIDE if (out / name).exists())
    )
    seconds = {case.name: case.seconds for case in CASES if case.seconds["ours"]}
    (out / "seconds.json").write_text(json.dumps({**seconds, **singles}, indent=1))


if __name__ == "__main__":
    main()
