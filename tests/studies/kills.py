"""Studies that are killed at random moments, and the same command after each.

    python -m tests.studies.kills results/reliability --kills 30

Each time a study is started in an empty folder, its whole process group is killed with signal 9
after a random time, and the same command is given again. Then every run must have finished exactly
once, and every history must be equal, to the digit, to that of a study that was never killed.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient

STUDY = [
    *("-m", "transfer=scratch,frozen", "reg=l1,l2", "study=s", "epochs=6", "threads=2"),
    *("data.train_pictures=64", "data.val_pictures=40", "data.size=48"),
    "cache.checkpoint_seconds=0",
]
#: A run's metrics by name, step by step.
History = Mapping[str, list[tuple[int, float]]]
#: Of time, not of the result.
TIMES = ("epoch_seconds", "train_seconds", "peak_memory_mb")
HEAD = """# Studies that were killed

`python -m tests.studies.kills results/reliability --kills {n}` makes this page. A study of four
runs of six epochs, two of them of a whole network, was started in an empty folder, and its process
group was killed with signal 9 after a random time; then the same command was given again.
*Resumed at*: the epochs at which runs went on that had been cut off. *Once*: whether every run
finished exactly once. *Equal*: whether every history, metric by metric and epoch by epoch, is that
of a study that was never killed, to the digit.

[Commands that work on one study at the same time](together.md) have a page of their own.

<!-- --8<-- [start:table] -->
| killed after, s | while | finished before | exit code after | resumed at | once | equal |
|---:|---|---:|---:|---|---|---|
"""


@dataclass(frozen=True)
class Kill:
    """One kill and what came of the command after it."""

    seconds: float
    moment: str
    n_before: int
    code: int
    resumed: str
    is_once: bool
    is_equal: bool


def started(folder: Path) -> "subprocess.Popen[str]":
    env = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": "ignore", "COLUMNS": "100"}
    env["ABLATION_CACHE"] = str(folder / "cache")
    return subprocess.Popen(
        [sys.executable, "-m", "ablation", *STUDY],
        cwd=folder,
        env=env,
        stdout=(folder / "said.txt").open("a"),
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def histories(folder: Path) -> tuple[list[str], dict[str, History]]:
    """The names of the finished runs, and each one's history."""
    if not (folder / "mlflow.db").exists():
        return [], {}
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    try:
        experiment = client.get_experiment_by_name("s")
    except Exception:  # the store was being made
        return [], {}
    if experiment is None:
        return [], {}
    runs = client.search_runs([experiment.experiment_id], "attributes.status = 'FINISHED'")
    names = [str(run.info.run_name) for run in runs]
    found = {}
    for run in runs:
        metrics = [name for name in run.data.metrics if name not in TIMES]
        found[str(run.info.run_name)] = {
            name: [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, name)]
            for name in metrics
        }
    return names, found


def moment(said: str, folder: Path) -> str:
    """What the study was doing when it was killed, from what it had said."""
    lines = [line for line in said.splitlines() if line.strip()]
    if not lines:
        return "it started"
    last = lines[-1]
    if not (folder / "mlflow.db").exists():
        return "the store was made"
    if "run 4 of 4" in said:
        return "the report was written"
    if last.lstrip().startswith("epoch"):
        is_last = "epoch 6/6" in last
        return "results were logged" if is_last else f"epoch {int(last.split()[1][0]) + 1} of 6"
    if last.startswith("run"):
        return "between two runs"
    return "pictures and networks were checked"


def kill(after: float, whole: dict[str, History]) -> Kill:
    """Kill a study after so many seconds, and give the command again."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        first = started(folder)
        time.sleep(after)
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
        said = (folder / "said.txt").read_text()
        when = moment(said, folder)
        n_before = len(histories(folder)[0])
        states = list((folder / "cache" / "checkpoints").glob("*.pt"))
        resumed = ", ".join(str(epochs(path) + 1) for path in states)
        code = started(folder).wait()
        names, found = histories(folder)
        is_once = sorted(names) == sorted(whole)
        return Kill(after, when, n_before, code, resumed, is_once, found == whole)


def epochs(path: Path) -> int:
    import torch

    return len(torch.load(path, weights_only=True)["history"])


def as_line(found: Kill) -> str:
    """A row of the page."""
    once, equal = ("yes" if good else "NO" for good in (found.is_once, found.is_equal))
    return (
        f"| {found.seconds:.1f} | {found.moment} | {found.n_before} | {found.code} | "
        f"{found.resumed or '–'} | {once} | {equal} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        start = time.monotonic()
        assert started(Path(place)).wait() == 0
        seconds = time.monotonic() - start
        _, whole = histories(Path(place))
    draws = random.Random(given.seed)
    # One moment in each equal part of the time that the study takes.
    moments = [(n + draws.random()) * seconds / given.kills for n in range(given.kills)]
    lines = []
    for after in moments:
        lines.append(as_line(kill(after, whole)))
        print(lines[-1], flush=True)
    given.out.mkdir(parents=True, exist_ok=True)
    head = HEAD.format(n=given.kills)
    (given.out / "README.md").write_text(
        head + "\n".join(lines) + "\n<!-- --8<-- [end:table] -->\n"
    )


if __name__ == "__main__":
    main()
