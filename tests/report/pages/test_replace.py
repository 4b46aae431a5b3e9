"""A new report replaces the old one as a whole, or not at all."""

import errno
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ablation import report
from ablation.config import ReportConfig
from ablation.errors import ConfigError
from ablation.report.evidence import archive, archive_writer
from ablation.report.evidence.store import Stored
from ablation.report.pages import replace
from ablation.tracking import store as tracking
from tests.report.made_up import Study, store
from tests.report.reading import content

OWN = ("report.md", "report.html", "runs.csv", "cells.csv", "contrasts.csv", "evidence.zip")
SMALL = Study({"reg": ["l1", "l2"]}, lambda _: 0.9, seeds=(0, 1), n_pictures=40)
LARGE = Study(
    {"reg": ["l1", "l2"], "transfer": ["full", "frozen"]},
    lambda _: 0.8,
    seeds=(0, 1),
    n_pictures=40,
)


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two states of one study, each as a file: with a pair of factors, and without."""
    found = {}
    for name, made in (("small", SMALL), ("large", LARGE)):
        folder = tmp_path_factory.mktemp(name)
        found[name] = folder / "evidence.zip"
        archive_writer.save(Stored(tracking.connect(store(folder, made)), made.name), found[name])
    return found


def write(path: Path, results: Path) -> Path:
    return report.write(archive.Archived(path), results, ReportConfig()).path.parent


def test_what_is_not_the_reports_own_stays_and_old_figures_go(
    evidence: dict[str, Path], tmp_path: Path
) -> None:
    folder = write(evidence["large"], tmp_path)
    assert (folder / "figures" / "heat-transfer-reg.png").exists()
    others = {"notes.txt": b"mine", "hydra/multirun.yaml": b"x", "figures/drawing.svg": b"y",
              "all_rates/report.md": b"another", "all_rates/figures/old.png": b"z"}  # fmt: skip
    for name, data in others.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)
    write(evidence["small"], tmp_path)
    found = content(folder)
    assert {name: found.get(name) for name in others} == others
    figures = {name for name in found if re.match(r"figures/.*\.png", name)}
    text = found["report.md"].decode()
    assert figures == set(re.findall(r"\]\((figures/[^)]+)\)", text))
    assert set(found) == {*others, *OWN, *figures}


WRITER = """
import itertools, os, sys, time
from pathlib import Path
from ablation import report
from ablation.config import ReportConfig
from ablation.report.evidence import archive
replace = os.replace
def slow(*paths):
    time.sleep(0.004)  # so that most kills come between two files
    replace(*paths)
os.replace = slow
states = [archive.Archived(Path(path)) for path in sys.argv[2:]]
for state in itertools.cycle(states):
    report.write(state, Path(sys.argv[1]), ReportConfig())
    print("written", flush=True)
"""


@pytest.mark.parametrize("seed", range(3))
def test_a_kill_at_any_moment_leaves_whole_files_and_every_figure_that_is_named(
    seed: int, evidence: dict[str, Path], tmp_path: Path
) -> None:
    wanted = [content(write(path, tmp_path / name)) for name, path in evidence.items()]
    chance = random.Random(seed)
    command = [sys.executable, "-c", WRITER, str(tmp_path / "out"), *map(str, evidence.values())]
    folder = tmp_path / "out" / SMALL.name
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    for _ in range(chance.randrange(1, 4)):
        assert writer.stdout.readline()
    time.sleep(chance.uniform(0, 1.0))
    writer.send_signal(signal.SIGKILL)
    writer.communicate()
    found = content(folder)
    for name in OWN:
        assert found[name] in [one[name] for one in wanted], name
    named = re.findall(r"\]\((figures/[^)]+)\)", found["report.md"].decode())
    assert named
    for name in named:
        assert found[name] in [one.get(name) for one in wanted], name
    # The next report clears away what the killed one was putting together.
    write(evidence["small"], tmp_path / "out")
    assert content(folder) == wanted[0]


def fails(after: int) -> Callable[..., None]:
    """`os.fsync` on a disk that is full after some files."""
    left = iter(range(after))

    def sync(_: int) -> None:
        if next(left, None) is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    return sync


@pytest.mark.parametrize("after", [0, 3, 8])
def test_a_full_disk_leaves_the_old_report_as_it_was(
    after: int, evidence: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write(evidence["large"], tmp_path)
    before = content(folder)
    monkeypatch.setattr(replace.os, "fsync", fails(after))
    with pytest.raises(ConfigError, match=r"can't be written: No space left on device"):
        write(evidence["small"], tmp_path)
    assert content(folder) == before


@pytest.mark.parametrize("name", ["report.html", "cells.csv", "evidence.zip"])
def test_an_error_while_a_file_is_written_leaves_the_old_report_as_it_was(
    name: str, evidence: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write(evidence["large"], tmp_path)
    before = content(folder)
    usual = open

    def opened(file: object, *args: object, **kwargs: object) -> object:
        if str(file).endswith(name) and ("w" in str(args[:1]) or "w" in str(kwargs.get("mode"))):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file))
        return usual(file, *args, **kwargs)  # type: ignore[call-overload]

    monkeypatch.setattr("builtins.open", opened)
    monkeypatch.setattr("io.open", opened)
    with pytest.raises(ConfigError, match="No space left on device"):
        write(evidence["small"], tmp_path)
    monkeypatch.undo()
    assert content(folder) == before


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 600 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no disk can be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_is_really_full_leaves_the_old_report_as_it_was(
    tiny_disk: Path, evidence: dict[str, Path]
) -> None:
    folder = write(evidence["small"], tiny_disk)
    before = content(folder)
    free = shutil.disk_usage(tiny_disk).free
    (tiny_disk / "filling").write_bytes(bytes(max(free - 40_000, 0)))
    with pytest.raises(ConfigError, match="No space left on device"):
        write(evidence["large"], tiny_disk)
    assert content(folder) == before


def test_a_folder_that_can_not_be_written_is_told_in_one_sentence(
    evidence: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(ConfigError, match=r"the report in .*taken.* can't be written: "):
        write(evidence["small"], tmp_path / "taken")


def test_a_report_that_another_process_puts_together_is_left_alone(
    evidence: dict[str, Path], tmp_path: Path
) -> None:
    folder = write(evidence["small"], tmp_path)
    alive = folder / f"{replace.PREFIX}{replace.socket.gethostname()}-{os.getppid()}"
    elsewhere = folder / f"{replace.PREFIX}another-host-1"
    for place in (alive, elsewhere):
        place.mkdir()
    write(evidence["small"], tmp_path)
    assert alive.is_dir()
    assert elsewhere.is_dir()
