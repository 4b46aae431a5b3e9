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
        numbers: that it shows, for readers who want them; None where another table has them.
    """

    name: str
    png: bytes
    caption: str
    numbers: Table | None = None


@dataclass(frozen=True)
class Baselines:
    """What the table before it, the ranking, shows beside other cells than the first.

    Only the page with scripts uses it: there a reader chooses the cell.

    Attributes:
        title: what the table shows as it is written.
        cells: the names of the cells, one for each of the table's first rows.
        pairs: "row,column", places in `cells` → the difference and the verdict.
    """

    title: str
    cells: tuple[str, ...]
    pairs: Mapping[str, tuple[str, str]]


Block = Text | Bullets | Code | Table | PageFigure | Baselines


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
