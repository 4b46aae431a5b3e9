"""The section "Ranking": the cells by their mean accuracy over the seeds."""

from collections.abc import Iterator, Sequence

from ablation.report.claims.claim import cell_name
from ablation.report.claims.findings import Findings
from ablation.report.claims.results import Results
from ablation.report.evidence.cells import Cell
from ablation.report.pages.blocks import Baselines, Block, PageFigure, Table, Text
from ablation.report.pages.cell_text import MOST_ROWS, n_diverged, reached, rest_in_file
from ablation.report.pages.claim_text import dagger, difference, verdict
from ablation.report.pages.numbers import value


def ranking(results: Results, group: Findings, figures: Sequence[PageFigure]) -> Iterator[Block]:
    """The table of all cells, the best first, and their figure."""
    if len(group.cells) == 1 and not results.diverged_cells:
        return
    yield ranking_table(results, group)
    yield from baselines(group)
    yield from rest_in_file(len(group.ranked))
    note = dagger(group.beside_anchor.values())
    if note:
        yield Text(note, "remark")
    yield from figures


def baselines(group: Findings) -> Iterator[Baselines]:
    """What the table would show beside each other cell."""
    if group.comparison is None or not group.beside_anchor:
        return
    cells = [cell.levels for cell in group.ranked[:MOST_ROWS]]
    place = {levels: str(at) for at, levels in enumerate(cells)}
    pairs = {}
    for claim in group.comparison.contrasts:
        if claim.a in place and claim.b in place:
            for one in (claim, claim.reversed()):
                pairs[f"{place[one.a]},{place[one.b]}"] = (difference(one), verdict(one))
    title = "the first" if group.anchor == cells[0] else "the reference"
    yield Baselines(title, tuple(map(cell_name, cells)), pairs)


def ranking_table(results: Results, group: Findings) -> Table:
    """A row for each cell: the ranked ones, then those in which runs diverged.

    Each is compared with the first cell, or with the reference where there are many cells.
    """
    first = group.ranked[0].levels if group.ranked else None
    rows = [
        (str(place), *_cell(cell, reached(cell, group)), *_comparison(group, cell))
        for place, cell in enumerate(group.ranked[:MOST_ROWS], 1)
    ]
    for cell in group.unranked:
        note = f"{n_diverged(cell)}: not ranked, as its mean is optimistic"
        rows.append(("–", *_cell(cell, value(group.metric, cell.mean)), "", note))
    unknown = ["–"] * len(results.runs.searched)
    rows += [("–", *levels, *unknown, "–", "0", "", "diverged") for levels in group.diverged_cells]
    names = (*results.factors, *results.runs.searched)
    other = "first" if group.anchor == first else "reference"
    unit = f", {group.metric.unit}" if group.metric.unit else ""
    header = (
        "",
        *names,
        group.metric.header,
        f"{results.replicate}s",
        f"minus the {other}{unit}",
        "verdict",
    )
    align = "r" + "l" * len(names) + "rrrl"
    if not (group.beside_anchor or group.unranked or results.diverged_cells):
        header, align, rows = header[:-2], align[:-2], [row[:-2] for row in rows]
    return Table(header, tuple(rows), align)


def _cell(cell: Cell, text: str) -> tuple[str, ...]:
    return (*cell.levels, *cell.chosen.values(), text, str(len(cell.seeds)))


def _comparison(group: Findings, cell: Cell) -> tuple[str, str]:
    """A cell's difference from the anchor, and the verdict on it."""
    claim = group.beside_anchor.get(cell.levels)
    if claim is not None:
        return difference(claim), verdict(claim)
    is_reference = cell.levels == group.anchor and cell is not group.ranked[0]
    return "", "the reference" if is_reference else ""
