"""The section "Selection of the epoch": how optimistic the accuracy at the best epoch is."""

from collections.abc import Iterator, Sequence

import numpy as np

from ablation.report.claims.claim import cell_name
from ablation.report.claims.findings import Findings
from ablation.report.claims.optimism import Optimism
from ablation.report.claims.results import Results
from ablation.report.claims.words import count
from ablation.report.evidence.cells import Cell
from ablation.report.pages.blocks import Block, PageFigure, Table, Text
from ablation.report.pages.cell_text import MOST_ROWS, rest_in_file
from ablation.report.pages.numbers import percent, points, with_interval
from ablation.report.pages.pair_tables import entry_text


def selection(results: Results, group: Findings, figures: Sequence[PageFigure]) -> Iterator[Block]:
    """The best epoch's accuracy beside the last one's and that on pictures held back."""
    if not group.ranked:
        return
    if group.optimism is None:
        gain = float(np.mean([cell.best.mean() - cell.last.mean() for cell in group.ranked]))
        yield Text(
            "The best epoch was chosen on the same validation pictures that it is reported on, "
            f"so its accuracy is optimistic. It is {percent(gain)} points above the last epoch's "
            "on average. `data.test_fraction=0.2` holds pictures back that are evaluated once."
        )
    else:
        yield Text(_optimism(group.optimism))
    if results.runs.searched:
        names = ", ".join(results.runs.searched)
        yield Text(
            f"{names} was chosen on the same validation pictures, which adds to the optimism."
        )
    yield selection_table(results, group)
    yield from rest_in_file(len(group.ranked))


def _optimism(found: Optimism) -> str:
    gap, low, high = (
        points(share).removeprefix("+") for share in (found.gap, found.low, found.high)
    )
    difference = f"{gap} points [{low}, {high}]"
    text = (
        f"The best epoch was chosen on validation pictures: {entry_text(found.val)} % on average. "
        f"The same weights reach {entry_text(found.test)} % on "
        f"{count(found.n_pictures, 'picture')} that were held back and evaluated once. "
    )
    if found.is_significant:
        return f"{text}The validation accuracy is optimistic by {difference}."
    return f"{text}The validation accuracy may or may not be optimistic: {difference}."


def selection_table(results: Results, group: Findings) -> Table:
    """A row for each ranked cell; with columns for the pictures held back where there are any."""
    header: tuple[str, ...] = ("cell", "best epoch, %", "last epoch, %", "best minus last, points")
    if results.test:
        header = (*header, "held back, %", "best minus held back, points")
    rows = tuple(_row(results, cell) for cell in group.ranked[:MOST_ROWS])
    return Table(header, rows, "l" + "r" * (len(header) - 1))


def _row(results: Results, cell: Cell) -> tuple[str, ...]:
    last = float(cell.last.mean())
    best = float(cell.best.mean())
    row = (cell_name(cell.levels), percent(best), percent(last), points(best - last))
    if not results.test:
        return row
    test = results.test.get(cell.levels)
    if test is None:
        return (*row, "–", "–")
    return (*row, with_interval(test.mean, test.low, test.high), points(best - test.mean))
