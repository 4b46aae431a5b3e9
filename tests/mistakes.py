"""Forty mistakes that people make, and what they are told: a table, made by running each.

    python -m tests.mistakes [--out results/mistakes]

Each is a command in a folder of its own, in this one process. None may train an epoch, leave a run
in a store, or print a traceback; each ends with exit code 1 and says what was wrong in one line.
"""

import argparse
import contextlib
import importlib
import io
import json
import os
import shlex
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np
from hydra.core.global_hydra import GlobalHydra
from PIL import Image

from ablation import __main__, targets

#: The table is as wide as its longest answer: a longer one is cut.
WIDEST = 260


@dataclass(frozen=True)
class Mistake:
    """A mistake.

    Attributes:
        words: of the command.
        names: what the answer has to name.
        files: prepares the folder of the command.
    """

    words: str
    names: str
    files: Callable[[Path], None] = lambda folder: None


@dataclass(frozen=True)
class Answer:
    """What came of a mistake: the exit code, and all that was printed."""

    code: int
    out: str
    err: str
    has_runs: bool

    @property
    def text(self) -> str:
        """The message, in one line where it is one."""
        return self.err.strip().removeprefix("error: ")


def picture(path: Path, seed: int = 0, mode: str = "RGB") -> None:
    """A picture of noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (24, 24, 3), dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).save(path)


def folders(
    *classes: str, n: int = 4, splits: tuple[str, ...] = ("train", "val")
) -> Callable[[Path], None]:
    """A folder `p` of pictures in splits and classes."""

    def make(folder: Path) -> None:
        for at, (split, name) in enumerate((s, c) for s in splits for c in classes):
            for number in range(n):
                picture(folder / "p" / split / name / f"{number}.png", 100 * at + number)

    return make


def two_labels(folder: Path) -> None:
    folders("ants", "bees")(folder)
    same = (folder / "p/train/ants/0.png").read_bytes()
    (folder / "p/train/bees/0.png").write_bytes(same)


def cut_off(folder: Path) -> None:
    folders("ants", "bees")(folder)
    whole = (folder / "p/val/bees/1.png").read_bytes()
    (folder / "p/val/bees/1.png").write_bytes(whole[: len(whole) // 2])


def floats(folder: Path) -> None:
    folders("ants", "bees")(folder)
    values = np.linspace(0, 5, 576, dtype=np.float32).reshape(24, 24)
    Image.fromarray(values).save(folder / "p/train/ants/9.tiff")


def other_classes(folder: Path) -> None:
    folders("ants", "bees", splits=("train",))(folder)
    folders("ants", "wasps", splits=("val",))(folder)


def table(text: str) -> Callable[[Path], None]:
    """A table `t.csv`, and the pictures 0.png to 9.png that it may name."""

    def make(folder: Path) -> None:
        for number in range(10):
            picture(folder / f"{number}.png", number)
        (folder / "t.csv").write_text(text)

    return make


def module(text: str) -> Callable[[Path], None]:
    """A module `mine.py`."""
    return lambda folder: (folder / "mine.py").write_text(text) and None


def no_weights(folder: Path) -> None:
    (folder / "w.pth").write_bytes(b"no weights")


#: A table of ten pictures.
TEN = "path,label\n" + "".join(f"{number}.png,{'ab'[number % 2]}\n" for number in range(10))
SMALL = "data.train_pictures=20 data.val_pictures=20 data.size=32"
OWN = "data=imagefolder data.root=p"

MISTAKES = (
    # Words
    Mistake("transfer=frozn", "transfer=frozn"),
    Mistake("optimzer=sgd", "optimzer"),
    Mistake("optimizer.learning_rate=0.1", "optimizer.learning_rate"),
    Mistake("epochs=many", "epochs"),
    Mistake("epochs=0", "epochs=0"),
    Mistake("-m reg=l1,", "reg=l1,"),
    Mistake("reg=l1,l2", "add -m"),
    Mistake("~reg", "~reg"),
    Mistake("study=a/b", "study=a/b"),
    Mistake("-m seed=1,1", "seed"),
    # Pictures
    Mistake(f"{OWN}", "p", lambda folder: None),
    Mistake("data=imagefolder", "data.root"),
    Mistake(f"{OWN} {SMALL}", "class", folders("ants")),
    Mistake(OWN, "1.png", cut_off),
    Mistake(OWN, "0.png", two_labels),
    Mistake(OWN, "9.tiff", floats),
    Mistake(OWN, "wasps", other_classes),
    Mistake("data=table data.root=t.csv", "label", table("path,species\n0.png,a\n1.png,b\n")),
    Mistake("data=table data.root=t.csv", "77.png", table(TEN.replace("7.png", "77.png"))),
    Mistake("data=imagefolder data.root=t.csv", "t.csv", table("path,label\n0.png,a\n")),
    Mistake("data.val_pictures=100000", "data.val_pictures"),
    # Networks
    Mistake("model=timm model.name=resnet1", "resnet1"),
    Mistake("model=torchvision model.name=resnet", "resnet"),
    Mistake("model=timm model.name=vgg11 transfer=scratch data.size=8", "data.size=8"),
    Mistake("model=resnet18 model.weights=nowhere.pth", "nowhere.pth"),
    Mistake("model=resnet18 model.weights=w.pth", "w.pth", no_weights),
    Mistake("transfer=partial transfer.stages=40", "transfer.stages=40"),
    Mistake("device=cuda:7", "device=cuda:7"),
    Mistake("model.mean=[0.5]", "model.mean"),
    # Parts
    Mistake("optimizer._target_=nowhere.Adam", "nowhere"),
    Mistake("optimizer._target_=torch.optim.Adan", "Adan"),
    Mistake("optimizer._target_=torch.optim.SGD optimizer.lrr=1", "lrr"),
    Mistake("optimizer.lr=-1", "lr"),
    Mistake(
        f"loss._target_=mine.loss {SMALL}",
        "mine.loss",
        module("def loss(logits, labels):\n    1 / 0\n"),
    ),
    Mistake("reg=l1 reg.l2=0.1", "reg.l2"),
    # Designs, reports and stores
    Mistake("-m transfer=full,frozen reg=l1,l2 design=half", "design"),
    Mistake("-m transfer=full,frozen reg=l1,l2 design=fractional", "three factors"),
    Mistake("-m transfer=full,frozen 'skip=[{tranfer:full}]'", "tranfer"),
    Mistake("-m transfer=full,frozen report.baseline.transfer=scratch", "report.baseline.transfer"),
    Mistake("-m transfer=full,frozen report.metric=acuracy", "report.metric"),
    Mistake("-m transfer=full,frozen report.nuisance=[optimizer.lrr]", "optimizer.lrr"),
    Mistake("tracking.uri=nothing://here", "tracking.uri=nothing://here"),
    Mistake("seed=auto", "seed=auto"),
)


def answers() -> Iterator[tuple[Mistake, Answer]]:
    """Make every mistake."""
    for mistake in MISTAKES:
        yield mistake, answer(mistake)


def answer(mistake: Mistake) -> Answer:
    """Make a mistake in a folder of its own, in this process."""
    out, err = io.StringIO(), io.StringIO()
    before = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="ablation-mistake-") as name:
        folder = Path(name)
        mistake.files(folder)
        sys.modules.pop("mine", None)
        importlib.invalidate_caches()
        targets._found.cache_clear()
        GlobalHydra.instance().clear()
        os.chdir(folder)
        words = ["python -m ablation", *shlex.split(mistake.words)]
        kept = [*sys.path]
        env = {"COLUMNS": "100", "ABLATION_CACHE": str(folder / "cache")}
        # A process keeps its clients by their addresses.
        env |= {"MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}"}
        with (
            mock.patch.object(sys, "argv", words),
            mock.patch.dict(os.environ, env),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            try:
                __main__.main()
                code = 0
            except SystemExit as error:
                code = int(error.code or 0)
        sys.path[:] = kept
        has_runs = any(folder.glob("mlruns/*/*/artifacts")) or any(folder.glob("mlartifacts/*/*"))
        os.chdir(before)
    return Answer(code, out.getvalue(), err.getvalue(), has_runs)


def main() -> None:
    """Print the table; with --out, write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--json", action="store_true", help="all that was printed, for the tests")
    arguments = parser.parse_args()
    found = list(answers())
    if arguments.json:
        print(json.dumps([[one.words, one.names, vars(said)] for one, said in found]))
        return
    lines = [
        f"| `{one.words.replace('|', chr(92) + '|')}` | {said.code} | {_cell(said.text)} |"
        for one, said in found
    ]
    text = f"""# What people are told who make a mistake

{len(lines)} mistakes, each made by `python -m tests.mistakes --out results/mistakes`. None trains
an epoch; none prints a traceback. Folders are those of the commands.

| `python -m ablation` | exit code | answer |
|---|--:|---|
{chr(10).join(lines)}
"""
    print(text)
    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)
        (arguments.out / "README.md").write_text(text)


def _cell(text: str) -> str:
    short = text if len(text) <= WIDEST else text[: WIDEST - 1] + "…"
    return (
        short.replace("|", "\\|")
        .replace("\n", "<br>")
        .replace("<", "&lt;")
        .replace("&lt;br>", "<br>")
    )


if __name__ == "__main__":
    main()
