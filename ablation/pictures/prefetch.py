"""Makes the next batches in threads while the current one is used."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from torch import Tensor

from ablation import process


class Prefetcher:
    """Runs tasks in threads, a few ahead of the one whose result is used."""

    def __init__(self, n_threads: int) -> None:
        """Start no thread yet.

        Args:
            n_threads: how many threads; with 0, each task runs when its result is asked for.
        """
        self._threads = ThreadPoolExecutor(n_threads, "views") if n_threads else None
        self._n_ahead = n_threads + 1

    def __call__(self, tasks: Iterable[Callable[[], Tensor]]) -> Iterator[Tensor]:
        """The results of the tasks, in their order."""
        if self._threads is None:
            yield from (task() for task in tasks)
            return
        waiting: list[Future[Tensor]] = []
        for task in tasks:
            with process.uninterrupted():
                waiting.append(self._threads.submit(task))
            if len(waiting) > self._n_ahead:
                yield process.result(waiting.pop(0))
        for future in waiting:
            yield process.result(future)
