"""A Ray cluster: one of this machine's own that ends with the command, or one that is running."""

import atexit
import contextlib
import os
import secrets
import signal
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from ablation import process
from ablation.errors import ConfigError, brief
from ablation.launchers.wishes import Wishes
from ablation.report.claims.words import count

#: Seconds in which a cluster's head must answer, and in which its processes must end.
ANSWER_SECONDS, END_SECONDS = 5.0, 10.0
#: Only results of runs, which are small, lie in the object store; Ray takes a third of the memory.
STORE_BYTES = 100 * 1024**2
#: A local cluster listens on this machine alone. Ray has this for other systems, where it is off.
LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_AUTH_MODE": "token"}


@dataclass(frozen=True)
class Share:
    """What a run takes of its node.

    Attributes:
        cpus: as Ray counts them.
        gpus: as Ray counts them.
    """

    cpus: float
    gpus: float

    def fits(self, node: Mapping[str, Any]) -> bool:
        """Whether a node, as `ray.nodes` describes it, is large enough where it is idle."""
        has = node["Resources"]
        return (
            bool(node["Alive"])
            and has.get("CPU", 0) >= self.cpus
            and has.get("GPU", 0) >= self.gpus
        )

    def times(self, node: Mapping[str, Any]) -> int:
        """How many runs such a node holds side by side."""
        has = node["Resources"]
        by_cpus = has.get("CPU", 0) / self.cpus
        return int(min(by_cpus, has.get("GPU", 0) / self.gpus) if self.gpus else by_cpus)

    def __str__(self) -> str:
        gpus = f" and {self.gpus:g} GPU" if self.gpus else ""
        return f"{self.cpus:g} CPU{gpus}"


def join(wishes: Wishes, environment: Mapping[str, str]) -> None:
    """Start a cluster or join one, unless this process has done so before.

    Args:
        wishes: which one.
        environment: variables of the processes that train.

    Raises:
        ConfigError: there is none, or it does not answer.
        KeyboardInterrupt: a person stopped the command meanwhile.
    """
    is_local = wishes.address == "local"
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    if is_local:
        # Before Ray is imported. With a token of its own the command writes none to ~/.ray.
        os.environ |= {key: os.environ.get(key, value) for key, value in LOOPBACK.items()}
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    else:
        _refuse_unreachable(wishes.address)
        # Something else may answer there, and each of Ray's 20 tries takes up to 40 s.
        os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", "2")
    import ray

    if ray.is_initialized():
        return
    size = {
        "num_cpus": wishes.local_cpus,
        "num_gpus": wishes.local_gpus,
        "object_store_memory": STORE_BYTES,
        "include_dashboard": False,
    }
    # What Ray starts is known from its first moment, so that nothing of it is left.
    atexit.register(leave)
    with process.uninterrupted(), _own_handlers():
        try:
            ray.init(
                address=wishes.address,
                log_to_driver=False,
                logging_level="ERROR",
                runtime_env={"env_vars": dict(environment)},
                **(size if is_local else {}),
            )
        except Exception as error:
            leave()
            raise ConfigError(f"hydra.launcher.address={wishes.address}: {brief(error)}") from error


def leave() -> None:
    """End the local cluster with all its processes, or leave the one that was joined."""
    import ray

    folder = str(Path(ray.__file__).parent)
    own = [one for one in psutil.Process().children(recursive=True) if _is_rays(one, folder)]
    with process.uninterrupted():
        ray.shutdown()
        _, left = psutil.wait_procs(own, END_SECONDS)
        for one in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()


def _is_rays(child: psutil.Process, folder: str) -> bool:
    """Whether a process is Ray's: by its name, or by a program in the folder where Ray lies."""
    try:
        return any(word.startswith(("ray::", folder)) for word in child.cmdline())
    except psutil.Error:  # It has just ended.
        return False


def share(wishes: Wishes, device: str) -> Share:
    """What each run takes, where a node can give it.

    Args:
        wishes: what was asked for.
        device: of the runs, as it was asked for: auto, cpu, cuda, …

    Raises:
        ConfigError: no node of the cluster is as large.
    """
    nodes = [node["Resources"] for node in _alive()]
    gpus = wishes.num_gpus
    if gpus is None:
        has_gpus = any(node.get("GPU", 0) >= 1 for node in nodes)
        gpus = 1.0 if has_gpus and device.startswith(("auto", "cuda")) else 0.0
    if gpus and ":" in device:
        raise ConfigError(f"device={device}: Ray hands each run its GPU; device=cuda")
    most = max((node.get("CPU", 0) for node in nodes if node.get("GPU", 0) >= gpus), default=0)
    threads = float(os.environ.get("ABLATION_THREADS") or 1)
    # Runs of more threads than a node has CPUs are slow there, but can be trained.
    wanted = Share(wishes.num_cpus or min(threads, most or 1), gpus)
    if not can_hold(wanted):
        has_most = {
            key: max((node.get(key, 0) for node in nodes), default=0) for key in ("CPU", "GPU")
        }
        largest = ", ".join(f"{number:g} {key}" for key, number in has_most.items())
        raise ConfigError(
            f"hydra.launcher.num_cpus, num_gpus: no node of the Ray cluster holds a run of "
            f"{wanted}; the largest have {largest}"
        )
    return wanted


def can_hold(wanted: Share) -> bool:
    """Whether a living node is large enough for a run: otherwise Ray waits for one in silence."""
    return any(map(wanted.fits, _alive()))


def in_words(wanted: Share) -> str:
    """A line on the cluster and how many runs it trains at a time."""
    nodes = [node for node in _alive() if wanted.fits(node)]
    n_runs = sum(map(wanted.times, nodes))
    return f"Ray: {count(len(nodes), 'node')}, {wanted} a run, {count(n_runs, 'run')} at a time"


def _alive() -> list[dict[str, Any]]:
    import ray

    return [node for node in ray.nodes() if node["Alive"]]


def _refuse_unreachable(address: str) -> None:
    """Ray itself would try for a minute, and then end this process without a word.

    Raises:
        ConfigError: nothing answers at the address.
    """
    given = f"hydra.launcher.address={address}"
    if address == "auto":
        address = os.environ.get("RAY_ADDRESS") or address
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if not host or "/" in address or not port.isdecimal():
        raise ConfigError(f"{given}: must be local, auto, or HOST:PORT of a running cluster's head")
    try:
        socket.create_connection((host.strip("[]"), int(port)), ANSWER_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"{given}: no Ray cluster answers there ({brief(error)}); `ray status` shows whether "
            "one is running"
        ) from error


@contextlib.contextmanager
def _own_handlers() -> Iterator[None]:
    """Ray puts a handler of its own in the place of the command's.

    Raises:
        KeyboardInterrupt: the command was stopped while Ray's was in place.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except SystemExit as error:
        raise KeyboardInterrupt from error
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
