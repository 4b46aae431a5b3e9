"""Two checkouts of this project, whether they give the same results to the digit.

    python -m tests.studies.compare OLD NEW PICTURES [--full]

Of the README's main command and of the first cell of each experiment: the fingerprint, the metrics
that both log, the history of the epochs, every predicted probability, and the weights. Then each
command that the old code has finished is given to the new code in the same folder: nothing may be
left to train, and the tables of the report must hold the same numbers.

PICTURES is the folder of the ants and bees. The ResNets start from random weights that are stored
in a file, since their published ones are downloaded. Without `--full` the experiments train on a
few small pictures for two epochs; their fingerprints are compared as the files state them.
"""

import argparse
import hashlib
import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow import MlflowClient

MAIN = ("-m", "transfer=full,frozen,scratch", "reg=l1,l2")
FEW = ("epochs=2", "data.size=96", "data.train_pictures=48", "data.val_pictures=32")
#: Measured times differ from run to run, and so do figures that follow from them.
TIMES = ("epoch_seconds", "train_seconds", "peak_memory_mb")

#: Prints the fingerprints of a command's runs; `grid` was a module of the package before it had
#: rooms.
EXPAND = """
import json, sys
try:
    from ablation.study import grid
except ImportError:
    from ablation import grid
multirun, *words = json.loads(sys.argv[1])
print(json.dumps([run.fingerprint for run in grid.expand(words, multirun=multirun).runs]))
"""


@dataclass(frozen=True)
class Case:
    """A command that both checkouts run.

    Attributes:
        name: for the table.
        arguments: of `python -m ablation`.
        as_stated: the experiment's own arguments, whose fingerprints are compared without training.
    """

    name: str
    arguments: tuple[str, ...]
    as_stated: tuple[str, ...]


def cases(pictures: Path, weights: Mapping[str, Path], full: bool) -> Iterator[Case]:
    yield Case("main command", MAIN, MAIN)
    of_experiment = {
        "seed_grid": ("transfer=full", "reg=none", "optimizer=sgd"),
        "tuned_grid": ("transfer=full", "reg=none", "optimizer=sgd", "optimizer.lr=1e-4"),
        "resnet18_adam": ("transfer=frozen", "reg=l2", f"model.weights={weights['resnet18']}"),
        "resnet50_sgd": ("transfer=full", f"model.weights={weights['resnet50']}"),
    }
    for name, cell in of_experiment.items():
        where = (f"+experiment={name}", f"data.root={pictures}")
        few = () if full else FEW
        # A sweep of one run, so that there is a report.
        yield Case(name, ("-m", *where, *cell, *few), ("-m", f"+experiment={name}"))


def random_weights(folder: Path) -> dict[str, Path]:
    """Files of random weights for the ResNets, the same for both checkouts."""
    code = (
        "import sys, torch\n"
        "try:\n    from ablation.network.compat import import_torchvision\n"
        "except ImportError:\n    from ablation.compat import import_torchvision\n"
        "import_torchvision()\nimport torchvision\n"
        "torch.manual_seed(0)\n"
        "torch.save(getattr(torchvision.models, sys.argv[1])().state_dict(), sys.argv[2])\n"
    )
    paths = {name: folder / f"{name}.pth" for name in ("resnet18", "resnet50")}
    for name, path in paths.items():
        subprocess.run([sys.executable, "-c", code, name, str(path)], check=True)
    return paths


def run(checkout: Path, folder: Path, *arguments: str) -> str:
    """What the checkout's command prints in a folder."""
    done = python(checkout, folder, "-m", "ablation", *arguments)
    if done.returncode:
        command = shlex.join(["python", "-m", "ablation", *arguments])
        raise SystemExit(f"{checkout}: {command}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def python(checkout: Path, folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    folder.mkdir(parents=True, exist_ok=True)
    # Features are computed by each side for itself.
    own = {"PYTHONPATH": str(checkout), "ABLATION_CACHE": str(folder / "cache")}
    env = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"} | own
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=env, capture_output=True, text=True
    )


def fingerprints(checkout: Path, folder: Path, arguments: Sequence[str]) -> list[str]:
    asked = json.dumps([arguments[0] == "-m", *(a for a in arguments if a != "-m")])
    done = python(checkout, folder, "-c", EXPAND, asked)
    if done.returncode:
        raise SystemExit(f"{checkout}: {arguments}\n{done.stderr}")
    found: list[str] = json.loads(done.stdout)
    return found


def results(folder: Path) -> dict[str, dict[str, Any]]:
    """Of each run by its name, all that must be equal."""
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    found = {}
    for experiment in client.search_experiments():
        for one in client.search_runs([experiment.experiment_id]):
            artifacts = Path(one.info.artifact_uri.removeprefix("file://"))
            metrics = {k: v for k, v in one.data.metrics.items() if k not in TIMES}
            history = pd.read_csv(artifacts / "history.csv", dtype=str).drop(columns=TIMES[0])
            digests = {
                name: hashlib.sha256((artifacts / name).read_bytes()).hexdigest()[:16]
                for name in ("predictions.parquet", "weights.safetensors")
            }
            found[str(one.info.run_name)] = {
                "status": one.info.status,
                "fingerprint": one.data.tags["fingerprint"],
                "metrics": metrics,
                "history": history.to_dict("list"),
                **digests,
            }
    return found


def tables(folder: Path) -> dict[str, list[list[str]]]:
    """The numbers of a report's tables; verdicts are words, which may change."""
    found = {}
    for path in sorted(folder.glob("results/*/*.csv")):
        table = pd.read_csv(path, dtype=str).drop(columns=list(TIMES), errors="ignore")
        numbers = table.apply(pd.to_numeric, errors="coerce").notna().any()
        found[path.name] = table.loc[:, numbers].fillna("").to_numpy().tolist()
    return found


def compare(old: Path, new: Path, case: Case, folder: Path) -> Iterator[tuple[str, bool]]:
    """Each thing that is compared, and whether it is equal."""
    sides = {"old": old, "new": new}
    stated = {
        side: fingerprints(checkout, folder / side / "x", case.as_stated)
        for side, checkout in sides.items()
    }
    yield f"fingerprints of {len(stated['old'])} runs as stated", stated["old"] == stated["new"]
    for side, checkout in sides.items():
        run(checkout, folder / side, *case.arguments)
    found = {side: results(folder / side) for side in sides}
    yield f"names of {len(found['old'])} trained runs", set(found["old"]) == set(found["new"])
    kinds = next(iter(found["old"].values()))
    for kind in kinds:
        pairs = [
            (one[kind], found["new"].get(name, {}).get(kind)) for name, one in found["old"].items()
        ]
        yield kind, all(_equal(kind, a, b) for a, b in pairs)
    before = tables(folder / "old")
    yield "numbers of the report's tables", before == tables(folder / "new")
    said = run(new, folder / "old", *case.arguments)
    n_skipped = said.count("had finished before")
    yield f"{n_skipped} of {len(found['old'])} had finished before", n_skipped == len(found["old"])
    yield "report on the old store", before == tables(folder / "old")


def _equal(kind: str, a: Any, b: Any) -> bool:
    """Whether two runs agree; a version may log metrics that the other does not."""
    if kind != "metrics" or b is None:
        return bool(a == b)
    return all(a[name] == b[name] for name in a.keys() & b.keys())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("old", "new", "pictures"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--full", action="store_true", help="experiments at their own size")
    arguments = parser.parse_args()
    old, new, pictures = (getattr(arguments, k).resolve() for k in ("old", "new", "pictures"))
    n_unequal = 0
    with tempfile.TemporaryDirectory() as place:
        weights = random_weights(Path(place))
        for case in cases(pictures, weights, arguments.full):
            print(f"{case.name}: python -m ablation {shlex.join(case.arguments)}", flush=True)
            for what, is_equal in compare(
                old, new, case, Path(place) / case.name.replace(" ", "_")
            ):
                n_unequal += not is_equal
                print(f"  {'equal    ' if is_equal else 'DIFFERENT'}  {what}", flush=True)
    sys.exit(f"{n_unequal} differ" if n_unequal else 0)


if __name__ == "__main__":
    main()
