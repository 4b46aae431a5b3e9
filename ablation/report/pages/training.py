"""The sections "Learning curves" and "Accuracy and training time"."""

from collections.abc import Iterator, Sequence

import numpy as np

from ablation.report.claims.claim import cell_name
from ablation.report.claims.findings import Findings
from ablation.report.claims.results import Results
from ablation.report.pages.blocks import Block, PageFigure, Table
from ablation.report.pages.cell_text import MOST_ROWS, rest_in_file
from ablation.report.pages.numbers import duration, value


def curves(results: Results, group: Findings, figures: Sequence[PageFigure]) -> Iterator[Block]:
    """The learning curves of the best cells."""
    yield from figures


def time(results: Results, group: Findings, figures: Sequence[PageFigure]) -> Iterator[Block]:
    """What each cell's accuracy costs in training time."""
    if len(group.ranked) > 1 and any(np.isfinite(cell.seconds).all() for cell in group.ranked):
        yield from figures
        yield times_table(group)
        yield from rest_in_file(len(group.ranked))


def times_table(group: Findings) -> Table:
    """Each ranked cell's accuracy and mean training time."""
    rows = tuple(
        (
            cell_name(cell.levels),
            value(group.metric, cell.mean),
            duration(float(cell.seconds.mean())),
        )
        for cell in group.ranked[:MOST_ROWS]
    )
    return Table(("cell", group.metric.header, "mean training time"), rows, "lrr")
