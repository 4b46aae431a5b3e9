"""What a study costs as it grows: 1 to 100 frozen runs, and 1 to 4 full ones.

    python -m tests.benchmarks.scaling ROOT [--size 224] [--out results/benchmarks]

Each study is one command from the shell in a fresh folder: start-up, features, MLflow and report
included.
"""

import argparse
import json
from pathlib import Path

from matplotlib.figure import Figure

from tests.benchmarks.__main__ import Bench

FROZEN = (1, 2, 5, 10, 20, 50, 100)
FULL = (1, 2, 4)


def study(bench: Bench, transfer: str, n_runs: int, size: int) -> float:
    rates = ",".join(f"{1e-4 * (1 + index):.4g}" for index in range(n_runs))
    where = ["data=imagefolder", f"data.root={bench.pictures}", f"data.size={size}"]
    options = [*where, "batch_size=32", f"transfer={transfer}", f"optimizer.lr={rates}"]
    return bench.shell("-m", "ablation", "-m", *options)[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    bench = Bench(arguments.pictures.resolve())
    found: dict[str, dict[int, float]] = {"frozen": {}, "full": {}}
    for transfer, counts in (("frozen", FROZEN), ("full", FULL)):
        for n_runs in counts:
            found[transfer][n_runs] = study(bench, transfer, n_runs, arguments.size)
            print(f"{transfer} {n_runs}: {found[transfer][n_runs]:.1f} s", flush=True)
    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)
        (arguments.out / "scaling.json").write_text(json.dumps(found, indent=1))
        draw(found).savefig(arguments.out / "scaling.png")


def draw(found: dict[str, dict[int, float]]) -> Figure:
    figure = Figure(figsize=(7, 4), layout="constrained", dpi=110)
    panel = figure.subplots()
    for (transfer, points), colour in zip(found.items(), ("#0072B2", "#D55E00"), strict=True):
        panel.plot(list(points), list(points.values()), "o-", c=colour, ms=4)
        panel.annotate(
            f"{transfer} runs",
            (max(points), points[max(points)]),
            xytext=(6, 4),
            textcoords="offset points",
            color=colour,
        )
    panel.set_xlim(0, 115)
    panel.set_ylim(bottom=0)
    panel.set_xlabel("runs in the study")
    panel.set_ylabel("seconds, from the shell to the report")
    panel.spines[["top", "right"]].set_visible(False)
    panel.grid(alpha=0.25, lw=0.6)
    return figure


if __name__ == "__main__":
    main()
