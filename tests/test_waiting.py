"""How threads wait, and how many there are: the same in every process of a command."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from ablation import waiting
from ablation.report import integrity


def test_waiting_threads_sleep_soon_unless_a_person_decided_otherwise() -> None:
    empty: dict[str, str] = {}
    waiting.share_cores(empty)
    assert empty == {"GOMP_SPINCOUNT": waiting.SPINS}
    for chosen in ({"OMP_WAIT_POLICY": "ACTIVE"}, {"GOMP_SPINCOUNT": "7"}):
        kept = dict(chosen)
        waiting.share_cores(kept)
        assert kept == chosen


def test_it_is_decided_before_torch_is_loaded() -> None:
    code = "import ablation, os, sys; assert 'torch' not in sys.modules; print(os.environ['{}'])"
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("OMP", "GOMP"))}
    said = subprocess.run(
        [sys.executable, "-c", code.format("GOMP_SPINCOUNT")],
        env=clean,
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.strip() == waiting.SPINS


@pytest.mark.parametrize("asked", [None, 1])
def test_the_number_of_threads_is_the_same_whatever_a_launcher_shares_out(
    asked: int | None, tmp_path: Path
) -> None:
    """joblib gives its workers a share of the cores through OMP_NUM_THREADS."""
    code = (
        "import torch; from ablation import device; "
        f"device.prepare({asked}); print(torch.get_num_threads())"
    )
    env = {**os.environ, "OMP_NUM_THREADS": "1", "ABLATION_THREADS": "2"}
    said = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == str(asked or 2)


def test_runs_of_different_numbers_of_threads_are_told() -> None:
    table = pd.DataFrame(
        {"tags.device": ["cpu"] * 3, "tags.precision": ["float32"] * 3, "tags.threads": ["2"] * 3}
    )
    assert not integrity.same_arithmetic(table).warnings
    table.loc[2, "tags.threads"] = "1"
    (warning,) = integrity.same_arithmetic(table).warnings
    assert "cpu, float32, 2 threads: 2 runs; cpu, float32, 1 thread: 1 run" in warning
    table["tags.device"] = "cuda:0"
    assert not integrity.same_arithmetic(table).warnings
