"""What a person is told when something is wrong."""


class ConfigError(Exception):
    """A mistake in what was asked for; its text is for the person who asked."""


def brief(error: BaseException) -> str:
    """An error in one line, with its kind where the text alone would not tell."""
    lines = (line.strip() for line in str(error).splitlines())
    # SQLAlchemy begins with an advice to programmers.
    text = next((line for line in lines if line and not line.startswith("(raised as a")), "")
    kind = type(error).__name__
    return text if isinstance(error, ConfigError) else f"{kind}: {text}" if text else kind


def first_line(error: BaseException) -> str:
    """Of an error's text, or its kind where it has none."""
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
