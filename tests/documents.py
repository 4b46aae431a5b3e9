"""Commands, files and output as the documents show them."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ablation.study import flags, grid

#: A fenced block, after the last line of text before it.
_BLOCK = re.compile(r"([^\n]*)\n\n?```(\w+)\n(.*?)```", re.S)


@dataclass(frozen=True)
class Block:
    """A fenced block of a document.

    Attributes:
        language: console, text, yaml, python.
        content: the lines inside it.
        path: the file whose content it shows, named at the end of the line before it; else None.
    """

    language: str
    content: str
    path: Path | None

    @property
    def commands(self) -> list[str]:
        """The lines that a person types."""
        return re.findall(r"^\$ (.+)$", self.content, re.M) if self.language == "console" else []


def blocks(text: str) -> Iterator[Block]:
    """The fenced blocks of a document, in their order."""
    for before, language, content in _BLOCK.findall(text):
        named = re.search(r"`([^`]+\.\w+)`:$", before)
        yield Block(language, content, Path(named[1]) if named else None)


def commands(text: str, program: str = "") -> list[str]:
    """The commands of a document that begin with `program`."""
    return [c for block in blocks(text) for c in block.commands if c.startswith(program)]


def section(text: str, title: str) -> str:
    """The text below a heading of the second level, up to the next one."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text, re.S | re.M)
    assert found, f"no section is called {title}"
    return found[1]


def composed(command: str) -> grid.Grid:
    """The runs that a `python -m ablation …` asks for.

    Raises:
        ConfigError: Hydra or the schema refuses it.
    """
    given = flags.parse(shlex.split(command)[3:])
    return grid.expand(given.words, multirun=given.multirun, config_dir=given.config_dir)


def write_files(text: str, folder: Path) -> None:
    """Write the files whose content a document shows, and names in the line before."""
    for block in blocks(text):
        if block.path is not None and not block.path.is_absolute():
            (folder / block.path).parent.mkdir(parents=True, exist_ok=True)
            (folder / block.path).write_text(block.content)


def shape(line: str) -> str:
    """A line of output with all its numbers alike: they differ between kinds of processors."""
    numberless = re.sub(r"[\d.+-]+", "0", line.rstrip())
    # The widths of a table's columns follow from its numbers.
    return re.sub(r"(\s|━|─)+", r"\1", numberless)


def lacks(printed: str, shown: str) -> list[str]:
    """The lines of a document that the output does not have, whatever the numbers in them.

    The verdict on a difference depends on its numbers, and the time that is left on the machine:
    they are not compared.
    """
    known = {_without_verdict(shape(line)) for line in printed.splitlines()}
    wanted = (line for line in shown.splitlines() if line.strip() and line != "…")
    return [line for line in wanted if _without_verdict(shape(line)) not in known]


def _without_verdict(line: str) -> str:
    return line.partition(" points, ")[0].partition(" about ")[0]
