"""What a person is told of pictures that can't be had or used."""

import os
from collections.abc import Sequence

from ablation.errors import ConfigError


class DataError(ConfigError):
    """Pictures that can't be used as they are; its text is for the person who owns them."""


class DownloadError(ConfigError):
    """An archive that can't be had; its text says why and what to do instead."""


def listed(lines: Sequence[str], one: str, several: str) -> str:
    """A message that names the first ten of several problems.

    Args:
        lines: one for each picture.
        one, several: what is wrong with one picture, with more ("picture has …").
    """
    shown = "\n".join(f"  {line}" for line in lines[:10])
    more = f"\n  … and {len(lines) - 10} more" if len(lines) > 10 else ""
    return f"{len(lines)} {one if len(lines) == 1 else several}; fix or remove:\n{shown}{more}"


def refuse_undecodable_name(name: str, folder: str = "") -> None:
    """Refuse a name from the file system that can't be printed and stored.

    Args:
        name: of a file, as Python decodes it.
        folder: where the file lies; empty where the name has it.

    Raises:
        DataError: the name's bytes are not UTF-8.
    """
    try:
        name.encode()
    except UnicodeEncodeError as error:
        shown = os.fsencode(name).decode("utf-8", "backslashreplace")
        where = f"{folder}: the name {shown} in it" if folder else f"{shown}: its name"
        raise DataError(f"{where} is not UTF-8; rename it") from error
