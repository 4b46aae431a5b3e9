"""The loops that the framework is measured against run."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT, command

#: A plain loop's threads spin while they wait. Beside the other tests that would take ten times as
#: long, or more where those do the same; nothing is measured here.
ASLEEP = {"OMP_WAIT_POLICY": "PASSIVE"}


@pytest.mark.parametrize(
    ("module", "options"),
    [
        ("naive", ("--transfer", "frozen", "--reg", "l1")),
        ("naive", ("--transfer", "full", "--reg", "l2")),
        ("tuned", ("--model", "efficientnet_lite0")),
    ],
)
def test_a_loop_trains(
    make_folder: Callable[..., Path], module: str, options: tuple[str, ...]
) -> None:
    pictures = make_folder({"train": 4, "val": 2})
    size = ("--size", "32", "--epochs", "1")
    name = f"tests.benchmarks.{module}"
    said = command(str(pictures), *options, *size, module=name, cwd=ROOT, env=ASLEEP)
    assert said.code == 0, said.err
    assert json.loads(said.out.splitlines()[-1])["loop_seconds"] > 0


def test_the_breakdown_is_written(make_folder: Callable[..., Path], tmp_path: Path) -> None:
    pictures = make_folder({"train": 4, "val": 2})
    options = ("--size", "32", "--repeats", "1", "--out", str(tmp_path))
    said = command(
        str(pictures), *options, module="tests.benchmarks.breakdown", cwd=ROOT, env=ASLEEP
    )
    assert said.code == 0, said.err
    written = (tmp_path / "breakdown.md").read_text()
    assert "| backward | " in written
    assert "| logging an epoch | " in written
