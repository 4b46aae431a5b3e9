"""Commands that work on one study at the same time: what each run's fate was.

    python -m tests.studies.together results/reliability --times 10

Two identical commands are started together, in turn in an empty folder (cold) and on a store that
is there (warm); then one command with eight workers of joblib in an empty folder. Each run must be
trained once, and every command must end with exit code 0.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from mlflow import MlflowClient

from ablation.tracking import store

SMALL = [
    *("epochs=1", "data.train_pictures=24", "data.val_pictures=20", "data.size=32", "study=s"),
    *("-m", "transfer=frozen,scratch", "reg=l1,l2"),
]
WORKERS = [
    *SMALL,
    *("seed=range(12)", "threads=1", "hydra/launcher=joblib", "hydra.launcher.n_jobs=8"),
]
HEAD = """# Commands that work on one study at the same time

`python -m tests.studies.together results/reliability --times {times}` makes this page. *Cold*: in
an empty folder, so that the store is made too; *warm*: on a store that is there. *Exit codes*: of
each command. *Once*: whether every run finished exactly once and no other run is left.

| commands | | runs | exit codes | finished | once | seconds |
|---|---|--:|---|--:|---|--:|
"""


def main() -> None:
    """Start the commands, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--times", type=int, default=10)
    arguments = parser.parse_args()
    rows = [
        row("two alike", state, SMALL, 2, 4)
        for _ in range(arguments.times)
        for state in ("cold", "warm")
    ]
    rows.append(row("one with 8 workers of joblib", "cold", WORKERS, 1, 48))
    text = HEAD.format(times=arguments.times) + "\n".join(rows) + "\n"
    print(text)
    (arguments.out / "together.md").write_text(text)


def row(what: str, state: str, words: list[str], n_commands: int, n_runs: int) -> str:
    """Start commands together, wait for them, and count the runs: a row of the table."""
    with tempfile.TemporaryDirectory(prefix="ablation-together-") as name:
        folder = Path(name)
        if state == "warm":
            store.connect(f"sqlite:///{folder / 'mlflow.db'}")
        start = time.monotonic()
        commands = [started(folder, words, number) for number in range(n_commands)]
        codes = [command.wait() for command in commands]
        seconds = time.monotonic() - start
        client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
        experiment = client.get_experiment_by_name("s")
        runs = client.search_runs([experiment.experiment_id]) if experiment else []
    statuses = Counter(run.info.status for run in runs)
    is_once = statuses == {"FINISHED": n_runs}
    is_once &= len({run.data.tags["fingerprint"] for run in runs}) == n_runs
    return (
        f"| {what} | {state} | {n_runs} | {', '.join(map(str, codes))} | {statuses['FINISHED']} "
        f"| {'yes' if is_once else '**no**'} | {seconds:.0f} |"
    )


def started(folder: Path, words: list[str], number: int) -> "subprocess.Popen[bytes]":
    """Start a command; what it says goes into a file of its own."""
    env = {**os.environ, "PYTHONWARNINGS": "ignore", "ABLATION_CACHE": str(folder / "cache")}
    env.pop("MLFLOW_TRACKING_URI", None)
    return subprocess.Popen(
        [sys.executable, "-m", "ablation", *words],
        cwd=folder,
        env=env,
        stdout=(folder / f"said{number}.txt").open("wb"),
        stderr=subprocess.STDOUT,
    )


if __name__ == "__main__":
    main()
