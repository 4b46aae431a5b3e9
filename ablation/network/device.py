"""Where to compute, and in which arithmetic."""

import os
import sys
from dataclasses import dataclass
from typing import Self

import torch

from ablation import process
from ablation.config import Config
from ablation.errors import ConfigError
from ablation.network.cpu import waiting


@dataclass(frozen=True)
class Compute:
    """Where a network is computed, in which arithmetic, and by which layers.

    Attributes:
        device: of the network and its inputs.
        precision: of the network's arithmetic: float32 or bfloat16.
        cpu_kernels: whether faster layers and folded networks may take the place of torch's plain
            layers, see network/cpu/README.md.
    """

    device: torch.device
    precision: torch.dtype
    cpu_kernels: bool = True

    @classmethod
    def of(cls, config: Config) -> Self:
        """What a config asks for.

        Raises:
            ConfigError: a device that this machine or this torch does not have.
        """
        device = choose(config.device)
        return cls(device, precision(config.precision, device), config.cpu_kernels)

    @property
    def has_fast_training(self) -> bool:
        """Whether the layers of network/cpu can take part in training."""
        return self.cpu_kernels and self.device.type == "cpu" and self.precision == torch.float32

    def forget_peak_memory(self) -> None:
        """Start to measure the most memory held anew."""
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        else:
            process.forget_peak_memory()

    def peak_memory_mb(self) -> float | None:
        """The most memory held since: on a GPU by tensors, else by this process."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device) / 1e6
        return process.peak_memory_mb()

    def autocast(self) -> torch.autocast:
        """The context in which a network computes in this precision."""
        return autocast(self.device, self.precision)


def choose(wanted: str) -> torch.device:
    """The device that a config names; `auto` takes a CUDA GPU, else Apple's, else the CPU.

    Args:
        wanted: auto, cpu, cuda, cuda:1 (its number), mps.

    Raises:
        ConfigError: a device that this machine or this torch does not have.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wanted == "auto":
        return torch.device(next((kind for kind, has in available.items() if has), "cpu"))
    device = torch.device(wanted)
    if not available.get(device.type, True):
        raise ConfigError(f"device={wanted}: torch finds no such device here; device=auto or cpu")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(f"device={wanted}: there are {torch.cuda.device_count()} GPUs here")
    return device


def precision(wanted: str, device: torch.device) -> torch.dtype:
    """The type that a config names; `auto` takes bfloat16 on a GPU that supports it, else float32.

    Args:
        wanted: auto, float32, bfloat16.
        device: where it is computed.
    """
    if wanted == "auto":
        fits = device.type == "cuda" and torch.cuda.is_bf16_supported()
        return torch.bfloat16 if fits else torch.float32
    return torch.bfloat16 if wanted == "bfloat16" else torch.float32


def autocast(device: torch.device, precision: torch.dtype) -> torch.autocast:
    """The context in which a network computes in a precision.

    Args:
        device: of the network.
        precision: float32 or bfloat16.
    """
    return torch.autocast(device.type, precision, enabled=precision != torch.float32)


def prepare(threads: int | None = None) -> None:
    """Set up this process for computing.

    The number of threads changes the order of sums, and with it the last digits of a run. So all
    processes of a command use the same number: the processes of a launcher, which would otherwise
    divide the cores among themselves, read it from ABLATION_THREADS.

    Args:
        threads: CPU threads; None takes the number of the command's first process, which is torch's
            own choice there (one for each core, or OMP_NUM_THREADS).
    """
    wanted = threads or int(os.environ.get("ABLATION_THREADS") or torch.get_num_threads())
    os.environ["ABLATION_THREADS"] = str(wanted)
    torch.set_num_threads(wanted)
    if "numba" not in sys.modules:  # numba reads it when it is imported
        os.environ["NUMBA_NUM_THREADS"] = str(wanted)
    waiting.watch()
    process.keep_memory()
    # Denormal numbers, frequent when training from scratch, are slow on CPUs: flush them to zero.
    torch.set_flush_denormal(True)
