"""The section "Ranking": the cells by their mean accuracy over the seeds."""

from collections.abc import Iterator, Sequence

from ablation.report.claims.findings import Findings
from ablation.report.claims.results import Results
from ablation.report.evidence.cells import Cell
from ablation.report.pages.blocks import Block, PageFigure, Table, Text
from ablation.report.pages.cell_text import MOST_ROWS, accuracy, n_diverged, rest_in_file
from ablation.report.pages.claim_text import dagger, difference, verdict
from ablation.report.pages.numbers import percent


def ranking(results: Results, group: Findings, figures: Sequence[PageFigure]) -> Iterator[Block]:
    """The table of all cells, the best first, and their figure."""
    if len(group.cells) == 1 and not results.diverged_cells:
        return
    yield ranking_table(results, group)
    yield from rest_in_file(len(group.ranked))
    note = dagger(group.beside_anchor.values())
    if note:
        yield Text(note, "remark")
    yield from figures


def ranking_table(results: Results, group: Findings) -> Table:
    """A row for each cell: the ranked ones, then those in which runs diverged.

    Each is compared with the first cell, or with the reference where there are many cells.
    """
    first = group.ranked[0].levels if group.ranked else None
    rows = [
        (str(place), *_cell(cell, accuracy(cell, group)), *_comparison(group, cell))
        for place, cell in enumerate(group.ranked[:MOST_ROWS], 1)
    ]
    for cell in group.unranked:
        note = f"{n_diverged(cell)}: not ranked, as its mean is optimistic"
        rows.append(("–", *_cell(cell, percent(cell.mean)), "", note))
    unknown = ["–"] * len(results.runs.searched)
    rows += [("–", *levels, *unknown, "–", "0", "", "diverged") for levels in group.diverged_cells]
    names = (*results.factors, *results.runs.searched)
    other = "first" if group.anchor == first else "reference"
    header = ("", *names, "accuracy, %", "seeds", f"minus the {other}, points", "verdict")
    align = "r" + "l" * len(names) + "rrrl"
    if not (group.beside_anchor or group.unranked or results.diverged_cells):
        header, align, rows = header[:-2], align[:-2], [row[:-2] for row in rows]
    return Table(header, tuple(rows), align)


def _cell(cell: Cell, reached: str) -> tuple[str, ...]:
    return (*cell.levels, *cell.chosen.values(), reached, str(len(cell.seeds)))


def _comparison(group: Findings, cell: Cell) -> tuple[str, str]:
    """A cell's difference from the anchor, and the verdict on it."""
    claim = group.beside_anchor.get(cell.levels)
    if claim is not None:
        return difference(claim), verdict(claim)
    is_reference = cell.levels == group.anchor and cell is not group.ranked[0]
    return "", "the reference" if is_reference else ""
