"""The loops that the framework is measured against run, and learn what there is to learn."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT, command


@pytest.mark.parametrize(("transfer", "lr"), [("frozen", "1e-2"), ("full", "1e-3")])
def test_the_naive_loop_tells_red_from_blue(
    make_folder: Callable[..., Path], transfer: str, lr: str
) -> None:
    pictures = make_folder({"train": 16, "val": 4})
    size = ("--size", "32", "--epochs", "4", "--batch-size", "4")
    options = ("--transfer", transfer, "--reg", "l2", "--lr", lr, *size)
    said = command(str(pictures), *options, module="tests.benchmarks.naive", cwd=ROOT)
    found = json.loads(said.out.splitlines()[-1])
    assert found["best_val_accuracy"] >= 0.75
    assert found["loop_seconds"] > 0


def test_the_loop_tuned_by_hand_runs(make_folder: Callable[..., Path]) -> None:
    pictures = make_folder({"train": 4, "val": 2})
    options = ("--size", "32", "--epochs", "1")
    said = command(str(pictures), *options, module="tests.benchmarks.tuned", cwd=ROOT)
    assert json.loads(said.out.splitlines()[-1])["loop_seconds"] > 0
