"""What can be set of `hydra/launcher=ray`."""

from dataclasses import dataclass

from ablation.errors import ConfigError


@dataclass
class Wishes:
    """The keys of `hydra.launcher`.

    Attributes:
        address: `local` starts a cluster of this machine's own, which ends with the command; `auto`
            joins the one that is running on this machine, HOST:PORT the one whose head that is.
        num_cpus: what a run takes of its node's CPUs, which decides how many run side by side; null
            takes the number of threads, as far as a node has so many. Threads are set by `threads`.
        num_gpus: what a run takes of its node's GPUs, 0.25 puts four runs on each; null takes one
            where the cluster has GPUs and the runs are not told to use another device.
        local_cpus: CPUs of a local cluster; null takes this machine's.
        local_gpus: GPUs of a local cluster; null takes this machine's.
        max_retries: how often a run moves whose worker or node was lost.
    """

    address: str = "local"
    num_cpus: float | None = None
    num_gpus: float | None = None
    local_cpus: int | None = None
    local_gpus: int | None = None
    max_retries: int = 3

    def check(self) -> None:
        """Refuse what no cluster can give.

        Raises:
            ConfigError: naming the key.
        """
        if self.num_cpus is not None and self.num_cpus <= 0:
            raise _wrong("num_cpus", self.num_cpus, "a run takes some of a CPU, above 0")
        if self.num_gpus is not None and (
            self.num_gpus < 0 or (self.num_gpus > 1 and self.num_gpus % 1)
        ):
            raise _wrong("num_gpus", self.num_gpus, "a part of a GPU, 0.25, or a whole number")
        if self.local_cpus is not None and self.local_cpus < 1:
            raise _wrong("local_cpus", self.local_cpus, "a cluster has at least one CPU")
        if self.local_gpus is not None and self.local_gpus < 0:
            raise _wrong("local_gpus", self.local_gpus, "must not be negative")
        if self.max_retries < 0:
            raise _wrong("max_retries", self.max_retries, "must not be negative")
        size = {"local_cpus": self.local_cpus, "local_gpus": self.local_gpus}
        for key, value in size.items():
            if value is not None and self.address != "local":
                reason = f"hydra.launcher.address={self.address} joins a cluster as large as it is"
                raise _wrong(key, value, reason)


def _wrong(key: str, value: object, reason: str) -> ConfigError:
    return ConfigError(f"hydra.launcher.{key}={value}: {reason}")
