"""A store that is away for a while is waited for, as a server that restarts."""

import threading
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from ablation.errors import ConfigError, first_line

P = ParamSpec("P")
T = TypeVar("T")

#: Seconds before the second try; each further wait is twice as long, up to the longest.
FIRST_WAIT, LONGEST_WAIT = 0.5, 10.0
#: What errors say that waiting does not mend.
LASTING = (
    "disk is full",
    "readonly database",
    "read-only",
    "unable to open database file",
    "no such table",
    "disk i/o error",
    "no space left",
)
#: What the errors of databases and servers say that are away.
AWAY = (
    "connection refused",
    "connection reset",
    "connection aborted",
    "could not connect",
    "connection failed",
    "server closed the connection",
    "terminating connection",
    "the database system is",
    "connection is closed",
    "failed to establish a new connection",
    "remote end closed connection",
    "max retries exceeded",
    "timed out",
    "database is locked",
    "error code 500",
    "error code 502",
    "error code 503",
    "error code 504",
)


class AwayError(ConfigError):
    """The store did not come back in time."""


class Patience:
    """Calls the store, and waits for it while it is away.

    Once a call has waited in vain, further calls are made once only, until one succeeds.
    """

    def __init__(self, seconds: float = 300.0, tell: Callable[[str], None] = print) -> None:
        """
        Args:
            seconds: how long a call waits for the store.
            tell: is given a line when the waiting begins, and one when it ends.
        """
        self.seconds = seconds
        self._tell = tell
        self._lock = threading.Lock()
        self._is_away = False
        self._was_in_vain = False

    def __call__(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What a call of the store returns.

        Raises:
            AwayError: the store was away and did not come back in time.
            Exception: the call's own, where waiting would not help.
        """
        start, wait = time.monotonic(), FIRST_WAIT
        while True:
            try:
                found = call(*args, **kwargs)
            # Each kind of store fails in its own way.
            except Exception as error:
                if not is_outage(error):
                    raise
                left = self.seconds - (time.monotonic() - start)
                if self._was_in_vain or left <= 0:
                    self._give_up(error)
                    raise AwayError(f"the MLflow store is away ({reason(error)})") from error
                self._begin(error)
                time.sleep(min(wait, max(left, 0.01)))
                wait = min(2 * wait, LONGEST_WAIT)
            else:
                self._end()
                return found

    def _begin(self, error: Exception) -> None:
        with self._lock:
            if not self._is_away:
                self._is_away = True
                self._tell(
                    f"the MLflow store is away ({reason(error)}); waiting up to "
                    f"{self.seconds:.0f} s for it"
                )

    def _give_up(self, error: Exception) -> None:
        with self._lock:
            if not self._was_in_vain:
                self._was_in_vain = True
                self._tell(
                    f"the MLflow store is still away ({reason(error)}); the runs go on, and their "
                    "results are kept until it is back"
                )

    def _end(self) -> None:
        if self._is_away or self._was_in_vain:
            with self._lock:
                if self._is_away:
                    self._tell("the MLflow store is back")
                self._is_away = self._was_in_vain = False


def is_outage(error: BaseException) -> bool:
    """Whether an error says that the store is away, and may come back.

    Args:
        error: of a call of the store, with what caused it.
    """
    said = _said(error)
    if any(words in said for words in LASTING):
        return False
    return any(words in said for words in AWAY)


def reason(error: BaseException) -> str:
    """In few words, why the store can't be reached."""
    said = _said(error)
    return next((words for words in AWAY if words in said), first_line(error))


def _said(error: BaseException) -> str:
    """The text of an error and of what caused it, in lower case."""
    texts: list[str] = []
    one: BaseException | None = error
    while one is not None and len(texts) < 8:
        texts.append(str(one).lower())
        one = one.__cause__ or one.__context__
    return "\n".join(texts)
