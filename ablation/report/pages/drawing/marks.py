"""What several kinds of figures share: sizes, names of rows, how a verdict looks."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ablation.figures.style import BLUE, GREEN, GREY
from ablation.report.claims.claim import Verdict

#: Inches: all figures have one width, as they stand below one another on the page.
WIDTH = 8.0
#: Characters of a row's name beside a figure.
LONGEST_NAME = 44
#: A verdict's colour, marker, and whether it is filled.
VERDICTS: Mapping[Verdict, tuple[str, str, bool]] = {
    "different": (BLUE, "o", True),
    "same": (GREEN, "s", True),
    "open": (GREY, "o", False),
}


def verdict_handles(verdicts: Sequence[Verdict], same: str) -> list[Line2D]:
    """A legend's entries for the verdicts that occur.

    Args:
        verdicts: of what is drawn.
        same: how "same" is called in full.
    """
    handles = []
    for verdict, (colour, marker, is_filled) in VERDICTS.items():
        if verdict in verdicts:
            fill = colour if is_filled else "white"
            label = same if verdict == "same" else verdict
            handles.append(
                Line2D([], [], ls="", marker=marker, mec=colour, mew=1.4, c=fill, label=label)
            )
    return handles


def name_rows(axes: Axes, names: Sequence[str]) -> None:
    """Names beside rows, the first at the top."""
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    for label in axes.get_yticklabels():
        label.set_parse_math(False)


def without_middle(text: str, longest: int = LONGEST_NAME) -> str:
    """A text of at most `longest` characters: the middle of a longer one is left out."""
    if len(text) <= longest:
        return text
    half = (longest - 1) // 2
    return f"{text[:half]}…{text[-half:]}"
