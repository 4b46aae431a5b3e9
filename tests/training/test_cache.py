"""What runs share in memory keeps to its limit, and is made once."""

import threading
from collections.abc import Callable

import pytest

from ablation.training.cache import Cache


def maker(value: bytes, made: list[bytes]) -> Callable[[], bytes]:
    def make() -> bytes:
        made.append(value)
        return value

    return make


def test_a_value_is_made_once_while_it_is_kept() -> None:
    cache, made = Cache(10), []
    for _ in range(3):
        assert cache.get("a", maker(b"aaaa", made), len) == b"aaaa"
    assert made == [b"aaaa"]
    assert cache.n_bytes == 4


def test_the_least_recently_used_value_is_dropped_first() -> None:
    cache, made = Cache(10), []
    for key in ("a", "b"):
        cache.get(key, maker(key.encode() * 4, made), len)
    cache.get("a", maker(b"never", made), len)  # used again, so b is now the oldest
    cache.get("c", maker(b"cccc", made), len)
    assert cache.n_bytes == 8
    made.clear()
    for key in ("a", "c", "b"):
        cache.get(key, maker(key.encode() * 4, made), len)
    assert made == [b"bbbb"]


def test_one_large_value_drops_as_many_as_it_takes() -> None:
    cache = Cache(10)
    for key in "abc":
        cache.get(key, lambda: b"123", len)
    cache.get("d", lambda: b"12345678", len)
    assert cache.n_bytes == 8


@pytest.mark.parametrize("limit", [0, 3])
def test_a_value_larger_than_the_limit_is_returned_and_not_kept(limit: float) -> None:
    cache, made = Cache(limit), []
    cache.get("small", maker(b"1", made), len)
    n_before = cache.n_bytes
    for _ in range(2):
        assert cache.get("large", maker(b"1234", made), len) == b"1234"
    assert made.count(b"1234") == 2
    assert cache.n_bytes == n_before == (1 if limit else 0)


def test_an_error_while_a_value_is_made_leaves_the_cache_usable() -> None:
    cache = Cache(10)

    def fail() -> bytes:
        raise ValueError("no value")

    with pytest.raises(ValueError, match="no value"):
        cache.get("a", fail, len)
    assert cache.get("a", lambda: b"a", len) == b"a"


def test_a_slow_value_does_not_keep_other_threads_from_the_cache() -> None:
    cache, other_is_done = Cache(10), threading.Event()
    found: list[bytes] = []

    def slow() -> bytes:
        assert other_is_done.wait(10)
        return b"slow"

    thread = threading.Thread(target=lambda: found.append(cache.get("a", slow, len)))
    thread.start()
    assert cache.get("b", lambda: b"b", len) == b"b"
    other_is_done.set()
    thread.join()
    assert found == [b"slow"]


def test_threads_that_make_the_same_value_at_once_all_get_one_of_them() -> None:
    cache, barrier = Cache(100), threading.Barrier(8)
    found: list[object] = []

    def make() -> list[int]:
        barrier.wait(10)
        return [1]

    def ask() -> None:
        found.append(cache.get("a", make, len))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(value) for value in found}) == 1
    assert cache.n_bytes == 1


def test_many_threads_keep_the_limit_and_the_count() -> None:
    cache = Cache(50)
    wrong: list[object] = []

    def ask(start: int) -> None:
        for at in range(300):
            key = (start * 7 + at * 13) % 20
            value = cache.get(key, lambda key=key: bytes([key]) * (1 + key % 9), len)  # type: ignore[misc]
            if value != bytes([key]) * (1 + key % 9):
                wrong.append(value)
            if cache.n_bytes > 50 + 9:  # a value is counted just before others are dropped
                wrong.append(cache.n_bytes)

    threads = [threading.Thread(target=ask, args=(start,)) for start in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert 0 < cache.n_bytes <= 50
