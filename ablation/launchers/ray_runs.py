"""The runs of a sweep as tasks of a Ray cluster: started, shown, moved where a worker is lost."""

import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from ablation import process
from ablation.errors import brief
from ablation.launchers import cluster
from ablation.launchers.cluster import Share
from ablation.launchers.wishes import Wishes
from ablation.launchers.worker import Place, passed, work
from ablation.report.claims.words import count
from ablation.session import N_RUNS

#: Between two looks at what the workers have printed.
LOOK_SECONDS = 0.2
#: Between two looks whether there is still a node that is large enough.
NODES_SECONDS = 5.0
#: How long runs that are stopped may take to log that they were.
STOP_SECONDS = 10.0


class LostError(Exception):
    """Runs that could not be trained on this cluster; all others have ended."""


def run(orders: Mapping[int, Callable[[], Any]], wishes: Wishes, device: str) -> list[Any]:
    """Train runs side by side.

    Args:
        orders: number of a run, from 0 → trains it, wherever it is called.
        wishes: on which cluster, and how many on each node.
        device: of the runs, as it was asked for: auto, cpu, cuda, …

    Returns:
        What each order returned, in their order.

    Raises:
        ConfigError: the cluster can't be had, or no node of it can hold a run.
        LostError: a run was lost again and again, or could not be started.
        KeyboardInterrupt: a person stopped the runs.
    """
    wishes.check()
    cluster.join(wishes, passed())
    try:
        with process.uninterrupted():
            share = cluster.share(wishes, device)
            print(cluster.in_words(share), flush=True)
            runs = _Runs(orders, wishes, share)
        try:
            return runs.results()
        finally:
            runs.end()
    except KeyboardInterrupt:
        cluster.leave()
        raise


class _Runs:
    """The runs of a sweep that are under way."""

    def __init__(
        self, orders: Mapping[int, Callable[[], Any]], wishes: Wishes, share: Share
    ) -> None:
        import ray
        from ray.util.queue import Queue
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        self._orders, self._share = orders, share
        self._left = dict.fromkeys(orders, wishes.max_retries)
        # On this node, which is not lost before this process is.
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self._lines = Queue(actor_options={"num_cpus": 0, "scheduling_strategy": here})
        self._task = ray.remote(work).options(
            num_cpus=share.cpus,
            num_gpus=share.gpus,
            # A lost run is started again here, where it can be told.
            max_retries=0,
            scheduling_strategy="SPREAD",
        )
        self._place = Place(os.getcwd(), passed())
        self._waiting: dict[Any, int] = {}
        self._found: dict[int, Any] = {}
        self._lost: dict[int, str] = {}
        self._has_room, self._looked = True, time.monotonic()
        for number in orders:
            self._start(number)

    def results(self) -> list[Any]:
        """Wait for all of them; shows what they print.

        Raises:
            LostError: some can't be trained.
            KeyboardInterrupt: they are to stop.
        """
        while self._waiting:
            with process.uninterrupted():
                self._look()
        if self._lost:
            n = count(len(self._lost), "run")
            first, reason = next(iter(self._lost.items()))
            raise LostError(f"{n} could not be trained, {_which(first)}: {reason}")
        return [self._found[number] for number in self._orders]

    def end(self) -> None:
        """Stop what is under way, wait until it has stopped, show its last lines."""
        import ray

        with process.uninterrupted():
            for task in self._waiting:
                ray.cancel(task, force=False)
            if self._waiting:
                ray.wait(list(self._waiting), num_returns=len(self._waiting), timeout=STOP_SECONDS)
            self._show()
            self._lines.shutdown(force=True)

    def _start(self, number: int) -> None:
        task = self._task.remote(self._orders[number], self._place, self._lines)
        self._waiting[task] = number

    def _look(self) -> None:
        import ray

        ended, _ = ray.wait(list(self._waiting), timeout=LOOK_SECONDS)
        # What a run has printed is there before its result is.
        self._show()
        for task in ended:
            self._take(task, self._waiting.pop(task))
        if time.monotonic() - self._looked > NODES_SECONDS:
            self._looked, had_room = time.monotonic(), self._has_room
            self._has_room = cluster.can_hold(self._share)
            if had_room and not self._has_room:
                print(
                    f"waiting for a node of the Ray cluster that can hold a run ({self._share}): "
                    "none is left",
                    flush=True,
                )

    def _take(self, task: Any, number: int) -> None:
        """The result of a run that has ended; one whose worker was lost starts again."""
        import ray
        from ray import exceptions

        try:
            self._found[number] = ray.get(task)
            return
        except exceptions.RayTaskError as error:
            self._lost[number] = brief(error.cause)
            return
        except exceptions.RayError as error:
            reason = _lost_words(error)
        if not self._left[number]:
            self._lost[number] = reason
            return
        self._left[number] -= 1
        print(f"{_which(number)}  {reason}; the run moves to another", flush=True)
        self._start(number)

    def _show(self) -> None:
        n_lines = self._lines.qsize()
        for line in self._lines.get_nowait_batch(n_lines) if n_lines else ():
            print(line, flush=True)


def _which(number: int) -> str:
    n_runs = os.environ.get(N_RUNS)
    return f"run {number + 1} of {n_runs}" if n_runs else f"run {number + 1}"


def _lost_words(error: Exception) -> str:
    from ray import exceptions

    kinds = {
        exceptions.OutOfMemoryError: "its worker was ended, as its node ran out of memory",
        exceptions.NodeDiedError: "its node was lost",
        exceptions.WorkerCrashedError: "its worker was lost",
    }
    return next((said for kind, said in kinds.items() if isinstance(error, kind)), brief(error))
