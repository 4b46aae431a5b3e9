"""Pictures, commands and studies that several tests share."""

import atexit
import functools
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image

from tests import warm

ROOT = Path(__file__).resolve().parent.parent

# Where the tests were started in the background Ctrl-C is ignored, and so would be by the commands
# that they start and stop.
signal.signal(signal.SIGINT, signal.default_int_handler)

#: The command of the README, whole: the study that most tests look at.
MAIN_COMMAND = ["-m", "transfer=full,frozen,scratch", "reg=l1,l2"]


@dataclass
class Said:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


@functools.cache
def template(pythonpath: str) -> warm.Template:
    """The process of which the commands of these tests are forks."""
    made = warm.Template(pythonpath)
    atexit.register(made.close)
    return made


def command(
    *arguments: str,
    cwd: Path,
    module: str = "ablation",
    env: dict[str, str] | None = None,
    from_nothing: bool = False,
) -> Said:
    """Run `python -m ablation …` as a person would, in a folder of its own.

    Args:
        from_nothing: as from the shell, its imports included; else what `tests.warm` tells.
    """
    clean = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
    clean |= {"COLUMNS": "100", "PYTHONWARNINGS": "ignore"} | (env or {})
    if not from_nothing and set(env or {}) <= warm.READ_LATE and module.startswith("ablation"):
        with tempfile.TemporaryDirectory(prefix="said-") as folder:
            said = Path(folder) / "said"
            python = clean.get("PYTHONPATH", "")
            code = template(python).run(module, list(arguments), cwd, clean, said)
            out, err = (Path(f"{said}.{end}").read_text() for end in ("out", "err"))
        return Said(code, out, err)
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=cwd,
        env=clean,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    return Said(done.returncode, done.stdout, done.stderr)


def command_and_imports(*arguments: str, cwd: Path) -> Said:
    """Run the command, and print at its end which of the slow libraries it has imported."""
    probe = (
        "import sys, atexit\n"
        "atexit.register(lambda: print('HEAVY', {'torch', 'mlflow', 'timm'} & set(sys.modules)))\n"
        f"sys.argv[1:] = {list(arguments)!r}\n"
        "from ablation.__main__ import main\nmain()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe], cwd=cwd, capture_output=True, text=True, check=False
    )
    return Said(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Features are shared between the tests, and with nobody else."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["ABLATION_CACHE"] = str(folder)
    return folder


@dataclass
class Study:
    """A finished study on disk."""

    folder: Path
    said: Said

    @property
    def uri(self) -> str:
        return f"sqlite:///{self.folder / 'mlflow.db'}"


@pytest.fixture(scope="session")
def main_study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The main command, run once in an empty folder, whichever of pytest's processes is first."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "main"
    said = folder.with_suffix(".json")
    with FileLock(folder.with_suffix(".lock")):
        if not said.exists():
            folder.mkdir()
            said.write_text(
                json.dumps(asdict(command(*MAIN_COMMAND, cwd=folder, from_nothing=True)))
            )
    return Study(folder, Said(**json.loads(said.read_text())))


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built wheel, unpacked as an installation would."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    target = folder / "site"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
    subprocess.run([*install, str(target), str(built)], check=True, capture_output=True)
    return target


def paint(path: Path, colour: tuple[int, int, int], seed: int, size: tuple[int, int]) -> None:
    """A noisy picture of one colour."""
    noise = np.random.default_rng(seed).normal(0, 40, (size[1], size[0], 3))
    pixels = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def make_folder(tmp_path: Path) -> Callable[..., Path]:
    """Make a folder of pictures: red and blue ones, {split: how many of each class}."""

    def make(counts: dict[str, int], root: Path = tmp_path / "pictures") -> Path:
        for split, count in counts.items():
            for name, colour in (("blue", (40, 40, 200)), ("red", (200, 40, 40))):
                for index in range(count):
                    # Of both orientations, and no two alike.
                    size = (50 + index, 40) if index % 2 else (40, 50 + index)
                    seed = 1000 * len(split) + 2 * index + (name == "red")
                    paint(root / split / name / f"{index:03}.png", colour, seed, size)
        return root

    return make
