"""How errors are told to a person: the framework's own kind, and any other in one line."""

import difflib
from collections.abc import Sequence

#: The longest line that is quoted from the error of a library.
MOST_LETTERS = 300


class ConfigError(Exception):
    """A mistake in what was asked for; its text is for the person who asked."""


def brief(error: BaseException) -> str:
    """An error in one line: its kind and its first line, or a `ConfigError`'s first line alone."""
    line, kind = first_line(error), type(error).__name__
    return line if isinstance(error, ConfigError) or line == kind else f"{kind}: {line}"


def first_line(error: BaseException) -> str:
    """The first line that an error says, or the name of its kind where it says nothing."""
    lines = (line.strip() for line in str(error).splitlines())
    # SQLAlchemy begins with advice to programmers, in brackets.
    said = next((line for line in lines if line and not line.startswith("(raised as a")), "")
    return (said if isinstance(error, ConfigError) else said[:MOST_LETTERS]) or type(error).__name__


def nearest(word: str, options: Sequence[str]) -> str:
    """A guess at what was meant, in brackets; "" where nothing is similar."""
    close = difflib.get_close_matches(word, options, 1)
    return f" (did you mean {close[0]}?)" if close else ""
