"""A panel of a plot, drawn with Pillow: frame, ticks, lines.

A run has two small plots, and there may be hundreds of runs: matplotlib takes a tenth of a second
for each, as long as a head is trained. Pillow takes a hundredth.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.ticker import MaxNLocator
from PIL import Image, ImageDraw

from ablation.figures.canvas import GAP, Font, draw_text
from ablation.figures.style import BLACK, GREY, LIGHT

#: Lines are drawn so many times larger, then reduced: that makes them smooth.
SCALE = 2
#: In pixels: from the frame to its ticks' labels, and the radius of a point.
SPACE, RADIUS = 6, 2.6
LABEL, TITLE = Font(GREY, 11), Font(BLACK, 14)

Span = tuple[float, float]


@dataclass(frozen=True)
class Panel:
    """A panel of a plot: where it is, and what it spans.

    Attributes:
        box: left, top, right and bottom of its frame, in pixels.
        x, y: from its left to its right, from its bottom to its top, in the data's units.
    """

    box: tuple[int, int, int, int]
    x: Span
    y: Span

    def at(self, x: float, y: float) -> tuple[float, float]:
        """The place of a point, in pixels."""
        left, top, right, bottom = self.box
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        up = (y - self.y[0]) / (self.y[1] - self.y[0])
        return left + across * (right - left), bottom - up * (bottom - top)

    def draw_frame(
        self, large: ImageDraw.ImageDraw, xs: Sequence[float], ys: Sequence[float]
    ) -> None:
        """Draw a faint grid at these ticks, and a line below and at the left.

        Args:
            large: draws `SCALE` times as large.
            xs, ys: the ticks.
        """
        left, top, right, bottom = (SCALE * side for side in self.box)
        for x in xs:
            across = SCALE * self.at(x, self.y[0])[0]
            large.line((across, top, across, bottom), fill=LIGHT, width=SCALE // 2)
        for y in ys:
            up = SCALE * self.at(self.x[0], y)[1]
            large.line((left, up, right, up), fill=LIGHT, width=SCALE // 2)
        large.line((left, top, left, bottom, right, bottom), fill=BLACK, width=SCALE)

    def draw_line(
        self,
        large: ImageDraw.ImageDraw,
        xs: Sequence[float],
        ys: Sequence[float],
        colour: str,
    ) -> None:
        """Draw a line with a dot at each point.

        Args:
            large: draws `SCALE` times as large.
            xs, ys: the points.
            colour: hexadecimal.
        """
        places = map(self.at, xs, ys)
        points = [(SCALE * across, SCALE * up) for across, up in places]
        large.line(points, fill=colour, width=round(1.6 * SCALE), joint="curve")
        for across, up in points:
            large.circle((across, up), SCALE * RADIUS, fill=colour)

    def draw_marker(self, large: ImageDraw.ImageDraw, x: float) -> None:
        """Draw a dotted line from bottom to top, `SCALE` times as large."""
        across = SCALE * self.at(x, self.y[0])[0]
        _, top, _, bottom = self.box
        for up in range(SCALE * top, SCALE * bottom, 5 * SCALE):
            large.line((across, up, across, up + 2 * SCALE), fill=GREY, width=SCALE)

    def write(
        self,
        pen: ImageDraw.ImageDraw,
        title: str,
        xs: Sequence[tuple[float, str]],
        ys: Sequence[tuple[float, str]],
    ) -> None:
        """Write the title and the labels of the ticks.

        Args:
            pen: draws in the figure's own size.
            title: above the panel.
            xs, ys: of each tick, its place in the data's units and its label.
        """
        left, top, right, bottom = self.box
        draw_text(pen, ((left + right) / 2, top - GAP), title, TITLE, "ms")
        for x, text in xs:
            draw_text(pen, (self.at(x, self.y[0])[0], bottom + SPACE), text, LABEL, "mt")
        for y, text in ys:
            draw_text(pen, (left - SPACE, self.at(self.x[0], y)[1]), text, LABEL, "rm")


def ticks(span: Span, most: int, *, are_whole: bool = False) -> list[float]:
    """Round numbers inside a span, as matplotlib chooses them.

    Args:
        span: in the data's units.
        most: intervals between them.
        are_whole: whether they are whole numbers.
    """
    found = MaxNLocator(most, integer=are_whole).tick_values(*span)
    inside = [float(one) for one in found if span[0] <= one <= span[1]]
    return [one for one in inside if one.is_integer()] if are_whole else inside


def around(values: Sequence[float], *, from_zero: bool = False) -> Span:
    """A span with all of these values, and a little room.

    Args:
        values: finite ones; others are left out.
        from_zero: whether it begins at zero, where no value is below it.
    """
    known = np.array([one for one in values if np.isfinite(one)] or [0.0])
    low, high = float(known.min()), float(known.max())
    room = 0.05 * (high - low) or 0.05 * abs(high) or 0.5
    return (0.0 if from_zero and low >= 0 else low - room), high + room


def blank(width: int, height: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """An empty figure `SCALE` times as large, and what draws on it. Its size is in pixels."""
    large = Image.new("RGB", (SCALE * width, SCALE * height), "white")
    return large, ImageDraw.Draw(large)
