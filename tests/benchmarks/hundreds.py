"""Hundreds of small runs: what each costs, and what it costs to find that all have finished.

    python -m tests.benchmarks.hundreds BEFORE [--runs 500] [--out results/benchmarks]

BEFORE is another checkout of the project. Both train the same frozen runs on the digits, each in a
folder of its own, one after the other on the same machine. The features are computed before, by a
study of one cell with the same seeds; "a run" is the mean time from the end of the first run to the
end of the last.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
N_SEEDS, REGS = 10, ("l1", "l2")


@dataclass
class Measured:
    """What one checkout took.

    Attributes:
        first, second: seconds of the command, and of the same command again.
        run: the mean time from one run's end to the next, in the first command.
        report: seconds of `python -m ablation.report`.
        memory: the most that the first command held, in MB.
    """

    first: float
    second: float
    run: float
    report: float
    memory: float


def main() -> None:
    """Measure both checkouts and print the table; with --out, write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("before", type=Path)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    found = [measured(code, arguments.runs) for code in (arguments.before, ROOT)]
    text = table(*found, arguments.runs)
    print(text)
    if arguments.out:
        (arguments.out / "hundreds.md").write_text(text)


def measured(code: Path, n_runs: int) -> Measured:
    """What a checkout takes for so many frozen runs."""
    with tempfile.TemporaryDirectory(prefix="ablation-benchmark-") as name:
        folder = Path(name)
        words = ["-m", "ablation", "-m", *grid(n_runs)]
        timed(code, folder, ["-m", "ablation", "-m", *grid(N_SEEDS * len(REGS), "features")])
        first, ends, memory = timed(code, folder, words)
        assert len(ends) == n_runs, f"{len(ends)} runs have ended"
        run = (ends[-1] - ends[0]) / (n_runs - 1)
        second, _, _ = timed(code, folder, words)
        report, _, _ = timed(code, folder, ["-m", "ablation.report", "study=hundreds"])
        return Measured(first, second, run, report, memory)


def grid(n_runs: int, study: str = "hundreds") -> list[str]:
    """The words of a command of so many frozen runs."""
    n_rates = n_runs // N_SEEDS // len(REGS)
    rates = ",".join(f"{1e-3 * 1.1**at:.4g}" for at in range(n_rates))
    return [
        *(f"study={study}", "transfer=frozen", f"reg={','.join(REGS)}"),
        *(f"optimizer.lr={rates}", f"seed=range({N_SEEDS})"),
    ]


def timed(code: Path, folder: Path, words: list[str]) -> tuple[float, list[float], float]:
    """Seconds of a command, when each of its runs ended, and the most memory held, in MB."""
    env = {**os.environ, "ABLATION_CACHE": str(folder / "cache"), "PYTHONPATH": str(code)}
    env |= {"PYTHONUNBUFFERED": "1"}
    env.pop("MLFLOW_TRACKING_URI", None)
    start = time.perf_counter()
    command = [sys.executable, *words]
    with subprocess.Popen(
        command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        ends = [time.perf_counter() for line in process.stdout if line.startswith("run ")]
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} in {code}: exit code {process.returncode}")
    return time.perf_counter() - start, ends, usage.ru_maxrss / 1000


def table(before: Measured, now: Measured, n_runs: int) -> str:
    """The table of both."""
    rows = [
        ("a run, its features being there", f"{before.run:.3f} s", f"{now.run:.3f} s"),
        (
            f"the command, {n_runs} runs, from the shell",
            f"{before.first:.0f} s",
            f"{now.first:.0f} s",
        ),
        ("the same command again, all finished", f"{before.second:.1f} s", f"{now.second:.1f} s"),
        (
            "a run that had finished: that command by its runs",
            f"{before.second / n_runs:.3f} s",
            f"{now.second / n_runs:.3f} s",
        ),
        (
            "that, less the report",
            f"{(before.second - before.report) / n_runs:.3f} s",
            f"{(now.second - now.report) / n_runs:.3f} s",
        ),
        ("the report alone", f"{before.report:.1f} s", f"{now.report:.1f} s"),
        ("the most memory held", f"{before.memory:.0f} MB", f"{now.memory:.0f} MB"),
    ]
    lines = "\n".join(f"| {what} | {old} | {new} |" for what, old, new in rows)
    return f"""# Hundreds of small runs

{n_runs} frozen runs of EfficientNet-Lite0 on the digits ({n_runs // N_SEEDS} cells, {N_SEEDS}
seeds), two checkouts one after the other on one machine, by
`python -m tests.benchmarks.hundreds BEFORE --out results/benchmarks`:

| | before | now |
|---|--:|--:|
{lines}

{os.cpu_count()} cores. "The same command again" includes its start and its report; less the report,
it still includes the start.
"""


if __name__ == "__main__":
    main()
