"""Where to compute: as a config asks, and with the same threads in every process of a command."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ablation.config import Config
from ablation.errors import ConfigError
from ablation.network.device import Compute


def test_a_config_says_where_and_how_to_compute() -> None:
    compute = Compute.of(Config(device="cpu", precision="auto"))
    assert (compute.device, compute.precision) == (torch.device("cpu"), torch.float32)
    assert compute.has_fast_training
    assert not Compute.of(Config(device="cpu", cpu_kernels=False)).has_fast_training
    mixed = Compute.of(Config(device="cpu", precision="bfloat16"))
    assert not mixed.has_fast_training
    with mixed.autocast():
        assert torch.is_autocast_enabled("cpu")
    with compute.autocast():
        assert not torch.is_autocast_enabled("cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match="device=cuda: torch finds no such device here"):
        Compute.of(Config(device="cuda"))


@pytest.mark.parametrize("asked", [None, 1])
def test_the_number_of_threads_is_the_same_whatever_a_launcher_shares_out(
    asked: int | None, tmp_path: Path
) -> None:
    """joblib gives its workers a share of the cores through OMP_NUM_THREADS."""
    code = (
        "import torch; from ablation.network import device; "
        f"device.prepare({asked}); print(torch.get_num_threads())"
    )
    env = {**os.environ, "OMP_NUM_THREADS": "1", "ABLATION_THREADS": "2"}
    said = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == str(asked or 2)
