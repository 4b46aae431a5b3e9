"""A store that is away is waited for, and told so once."""

import itertools

import pytest

from ablation.tracking import patience
from ablation.tracking.patience import AwayError, Patience


class Store:
    """Fails so often, then answers."""

    def __init__(self, n_failures: int, error: Exception) -> None:
        self.left, self.error, self.n_calls = n_failures, error, 0

    def __call__(self, value: int) -> int:
        self.n_calls += 1
        if self.left:
            self.left -= 1
            raise self.error
        return value


@pytest.fixture(autouse=True)
def no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count(0, 1.0)
    monkeypatch.setattr(patience.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(patience.time, "sleep", lambda seconds: None)


AWAY = ConnectionError("Connection refused")


def test_an_outage_is_waited_out_with_two_lines() -> None:
    said: list[str] = []
    ask = Patience(100, said.append)
    assert ask(Store(5, AWAY), 7) == 7
    assert len(said) == 2
    assert "is away" in said[0]
    assert "is back" in said[1]


def test_a_store_that_does_not_come_back_is_asked_once_from_then_on_until_it_answers() -> None:
    ask = Patience(10, lambda text: None)
    store = Store(1000, AWAY)
    with pytest.raises(AwayError):
        ask(store, 1)
    n_calls = store.n_calls
    assert 5 < n_calls < 12
    with pytest.raises(AwayError):
        ask(store, 1)
    assert store.n_calls == n_calls + 1
    store.left = 0
    assert ask(store, 3) == 3
    store.left = 2
    assert ask(store, 4) == 4


@pytest.mark.parametrize(
    "error", [ValueError("no"), OSError("attempt to write a readonly database"),
              RuntimeError("database or disk is full")]
)  # fmt: skip
def test_an_error_that_waiting_does_not_mend_is_raised_at_once(error: Exception) -> None:
    store = Store(1, error)
    with pytest.raises(type(error)):
        Patience(100, lambda text: None)(store, 1)
    assert store.n_calls == 1
