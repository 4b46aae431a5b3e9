"""Values in memory that the runs of a process share, within a limit of bytes."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TypeVar, cast

Value = TypeVar("Value")


class Cache:
    """A bounded cache: when it is full, the least recently used values are dropped.

    Several threads may use it at once. Values are shared, not copied: nobody may change one.
    """

    def __init__(self, limit_bytes: float) -> None:
        """
        Args:
            limit_bytes: the most that all kept values take together; 0 keeps nothing.
        """
        self.limit_bytes = limit_bytes
        self._lock = threading.Lock()
        # Each value with its size, the least recently used first.
        self._kept: OrderedDict[Hashable, tuple[object, int]] = OrderedDict()
        self._n_bytes = 0

    @property
    def n_bytes(self) -> int:
        """The bytes that the kept values take together."""
        return self._n_bytes

    def get(self, key: Hashable, make: Callable[[], Value], size: Callable[[Value], int]) -> Value:
        """The value of a key, made where it is not kept.

        A value that alone is larger than the limit is returned and not kept. Two threads that ask
        for the same new key at once may both make it; both get the one that was stored first.

        Args:
            key: what the value is made from. Equal keys must mean equal values.
            make: makes the value. Other threads can use the cache meanwhile.
            size: the bytes that a value takes.
        """
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return cast(Value, self._kept[key][0])
        value = make()
        n_bytes = size(value)
        with self._lock:
            if key in self._kept:
                return cast(Value, self._kept[key][0])
            if n_bytes <= self.limit_bytes:
                self._kept[key] = value, n_bytes
                self._n_bytes += n_bytes
                self._evict()
        return value

    def _evict(self) -> None:
        while self._n_bytes > self.limit_bytes:
            _, (_, n_bytes) = self._kept.popitem(last=False)
            self._n_bytes -= n_bytes
