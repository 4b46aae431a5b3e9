"""The section "Searched settings": which value each cell is shown at, and what else was tried."""

from collections.abc import Iterator, Sequence

from ablation.report.claims.claim import cell_name
from ablation.report.claims.findings import Findings
from ablation.report.claims.results import Results
from ablation.report.claims.words import count
from ablation.report.evidence.cells import Cell, Tried
from ablation.report.pages.blocks import Block, PageFigure, Table, Text
from ablation.report.pages.cell_text import MOST_ROWS, n_diverged, rest_in_file
from ablation.report.pages.numbers import listed, percent

#: Cells that are named in a sentence.
MOST_NAMED = 8


def searched(results: Results, group: Findings, figures: Sequence[PageFigure]) -> Iterator[Block]:
    """What was searched, warnings about the search, and its results."""
    names = list(results.runs.searched)
    for key in results.config.nuisance:
        if key not in names:
            yield Text(f"{key} was to be searched and has one value in all runs.", "warning")
    if not names:
        return
    yield Text(
        f"Each cell is shown at its own best {' and '.join(names)}, by the mean over the seeds."
    )
    yield from _warnings(group)
    yield searched_table(results, group)
    yield from rest_in_file(len(group.cells))


def _warnings(group: Findings) -> Iterator[Text]:
    at_edge = [cell for cell in group.cells if cell.at_edge]
    if at_edge:
        names = listed((cell_name(cell.levels) for cell in at_edge), MOST_NAMED)
        yield Text(
            f"In {count(len(at_edge), 'cell')} the best value lies on the edge of the searched "
            f"range: {names}. A better one may lie beyond it: widen the search.",
            "warning",
        )
    n_tried = {len(cell.tried) for cell in group.cells}
    if len(n_tried) > 1:
        yield Text(
            f"Between {min(n_tried)} and {max(n_tried)} values were tried per cell: a cell with "
            "more values has more chances of a high accuracy.",
            "warning",
        )


def searched_table(results: Results, group: Findings) -> Table:
    """A row for each cell: the value that was chosen, its accuracy, the others' accuracies."""
    names = tuple(results.runs.searched)
    rows = []
    for cell in [*group.ranked, *group.unranked][:MOST_ROWS]:
        others = [f"{', '.join(tried.values)}: {_reached(tried, cell)}" for tried in cell.tried[1:]]
        rows.append(
            (
                cell_name(cell.levels),
                *cell.chosen.values(),
                percent(float(cell.best.mean()))
                + (f" ({n_diverged(cell)})" if cell.diverged else ""),
                "; ".join(others) or "nothing else",
                f"on the edge of the range: {', '.join(cell.at_edge)}" if cell.at_edge else "",
            )
        )
    header = ("cell", *names, "its accuracy, %", "others tried, %", "")
    return Table(header, tuple(rows), "l" + "r" * (len(names) + 1) + "ll")


def _reached(tried: Tried, cell: Cell) -> str:
    """What a value reached that was not chosen."""
    if not tried.n_seeds:
        return "diverged"
    of = count(tried.n_seeds + tried.n_diverged, "seed")
    if tried.n_diverged:
        return f"{percent(tried.mean)} ({tried.n_diverged} of {of} diverged)"
    return percent(tried.mean) + ("" if tried.n_seeds == len(cell.seeds) else f" ({of})")
