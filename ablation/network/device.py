"""Where to compute, and in which arithmetic."""

import functools
import os
import sys

import torch

from ablation import process
from ablation.errors import ConfigError
from ablation.network.cpu import waiting


def choose(wanted: str) -> torch.device:
    """`auto` takes a CUDA GPU, else Apple's, else the CPU.

    Raises:
        ConfigError: a device that this machine or this torch does not have.
    """
    has = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wanted == "auto":
        return torch.device(next((kind for kind, there in has.items() if there), "cpu"))
    device = torch.device(wanted)
    if not has.get(device.type, True):
        raise ConfigError(f"device={wanted}: torch finds no such device here; device=auto or cpu")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(f"device={wanted}: there are {torch.cuda.device_count()} GPUs here")
    return device


def precision(wanted: str, device: torch.device) -> torch.dtype:
    """`auto` takes bfloat16 on a GPU that has it, else float32."""
    if wanted == "auto":
        fits = device.type == "cuda" and torch.cuda.is_bf16_supported()
        return torch.bfloat16 if fits else torch.float32
    return torch.bfloat16 if wanted == "bfloat16" else torch.float32


def prepare(threads: int | None = None) -> None:
    """Settings of the process that computes.

    The number of threads changes the order of sums, and so the last digits of a run and all that
    follows from them. So it is the same in all processes of a command: a launcher's workers, who
    would share out the cores, find it in ABLATION_THREADS.

    Args:
        threads: that compute on a CPU; None takes those of the command's first process, whose own
            number torch decides (a thread for each core, or OMP_NUM_THREADS).
    """
    wanted = threads or int(os.environ.get("ABLATION_THREADS") or torch.get_num_threads())
    os.environ["ABLATION_THREADS"] = str(wanted)
    torch.set_num_threads(wanted)
    if "numba" not in sys.modules:  # which reads it once
        os.environ["NUMBA_NUM_THREADS"] = str(wanted)
    _watch()
    process.keep_memory()
    # No slow path for tiny numbers: training from scratch meets many.
    torch.set_flush_denormal(True)


@functools.cache
def _watch() -> None:
    """Once a process."""
    waiting.watch()


def autocast(device: torch.device, precision: torch.dtype) -> torch.autocast:
    return torch.autocast(device.type, precision, enabled=precision != torch.float32)
