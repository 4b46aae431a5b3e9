"""What a page is made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """Rows of text under a header.

    Attributes:
        align: a letter a column: l for words, r for figures.
        caption: what it shows, in one or two sentences.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    align: str
    caption: str = ""


#: What the pages are called, and the folder of their figures.
MARKDOWN, HTML, FIGURES = "report.md", "report.html", "figures"


@dataclass(frozen=True)
class Text:
    text: str
    tone: str = ""  # "", "remark", "warning" or "breach"


@dataclass(frozen=True)
class Bullets:
    items: tuple[tuple[str, str], ...]  # A label, which may be empty, and a text.


@dataclass(frozen=True)
class Code:
    text: str


@dataclass(frozen=True)
class Picture:
    """A figure as it is embedded and saved: `name` is its file's, without the ending."""

    name: str
    png: bytes
    caption: str


Block = Text | Bullets | Code | Table | Picture


@dataclass(frozen=True)
class Section:
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Page:
    title: str
    breaches: tuple[str, ...]
    sections: tuple[Section, ...]


#: The figures of a group of cells, by section.
Pictures = Mapping[str, Sequence[Picture]]
