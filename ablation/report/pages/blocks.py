"""The blocks of a report's page: paragraphs, lists, commands, tables and figures, in sections.

In a text, what stands between backticks is code.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

#: How a paragraph is set: as it is, small and grey, or marked as a warning.
Tone = Literal["plain", "remark", "warning"]


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str
    tone: Tone = "plain"


@dataclass(frozen=True)
class Bullets:
    """A list.

    Attributes:
        items: (label, text) of each; the label may be empty.
    """

    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Code:
    """Commands or output, shown as they are."""

    text: str


@dataclass(frozen=True)
class Table:
    """Rows of text under a header.

    Attributes:
        header: a name for each column; it may be empty.
        rows: as long as the header.
        align: a letter for each column: "l" for words, "r" for numbers.
        caption: what the table shows, in one or two sentences; may be empty.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    align: str
    caption: str = ""


@dataclass(frozen=True)
class PageFigure:
    """A figure, drawn.

    Attributes:
        name: of its file, without the suffix.
        png: the content of the file.
        caption: what the figure shows, in one or two sentences.
    """

    name: str
    png: bytes
    caption: str


Block = Text | Bullets | Code | Table | PageFigure


@dataclass(frozen=True)
class Section:
    """Blocks under a title."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Page:
    """A whole report.

    Attributes:
        title: the study, and whether it is incomplete.
        breaches: why the comparison is not the one that was asked for, a sentence each.
        sections: from top to bottom.
    """

    title: str
    breaches: tuple[str, ...]
    sections: tuple[Section, ...]


#: The figures of one group of cells, by the section that shows them.
Figures = Mapping[str, Sequence[PageFigure]]
