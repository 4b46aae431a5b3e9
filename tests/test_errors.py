"""How errors are told in one line."""

import pytest

from ablation.errors import MOST_LETTERS, ConfigError, brief, first_line


@pytest.mark.parametrize(
    ("error", "line", "short"),
    [
        (OSError("no room\nand so on"), "no room", "OSError: no room"),
        (OSError("\n  no room"), "no room", "OSError: no room"),
        (KeyError(), "KeyError", "KeyError"),
        (ConfigError("seed=x: wrong\nmore"), "seed=x: wrong", "seed=x: wrong"),
        (ValueError("(raised as a result of …)\nlocked"), "locked", "ValueError: locked"),
    ],
)
def test_an_error_is_told_in_one_line(error: Exception, line: str, short: str) -> None:
    assert first_line(error) == line
    assert brief(error) == short


def test_only_the_errors_of_libraries_are_cut() -> None:
    long = "x" * (MOST_LETTERS + 1)
    assert len(first_line(OSError(long))) == MOST_LETTERS
    assert first_line(ConfigError(long)) == long
