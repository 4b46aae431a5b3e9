"""The look of all figures: one palette, and helpers that keep figures alike.

The colours are those of Okabe and Ito (2008, "Color Universal Design"), which colour-blind readers
can tell apart.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
SKY, AMBER, GREY, LIGHT, BLACK = "#56B4E9", "#E69F00", "#666666", "#D9D9D9", "#1a1a1a"

#: Colours of things that differ in kind, in the order in which they are used.
PALETTE = (BLUE, ORANGE, GREEN, PURPLE, SKY, AMBER, BLACK)


def shortened(text: str, length: int) -> str:
    """A text of at most `length` characters: a longer one is cut and ends in an ellipsis."""
    return text if len(text) <= length else text[: length - 1] + "…"


def simplify(panel: "Axes") -> None:
    """Draw a faint grid, and no frame above and to the right."""
    panel.spines[["top", "right"]].set_visible(False)
    panel.grid(alpha=0.25, lw=0.6)
