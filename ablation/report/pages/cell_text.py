"""What a cell reached, and what became of its runs, as short texts."""

from collections.abc import Iterator

from ablation.report.claims.claim import cell_name
from ablation.report.claims.groups import Group
from ablation.report.claims.results import Results
from ablation.report.claims.words import count
from ablation.report.evidence.cells import Cell
from ablation.report.pages.blocks import Text
from ablation.report.pages.numbers import interval, value

#: Rows of a table of cells on a page; cells.csv has all.
MOST_ROWS = 60


def reached(cell: Cell, group: Group) -> str:
    """What a cell reached on average, with its interval where it has one."""
    found = group.intervals.get(cell.levels)
    if found is None:
        return value(group.metric, cell.mean)
    return interval(group.metric, found.mean, found.low, found.high)


def n_diverged(cell: Cell) -> str:
    """Such as "1 of 3 seeds diverged"; empty where none did."""
    n = len(cell.diverged)
    return diverged_of(n, n + len(cell.seeds), "fold" if cell.n_folds else "seed") if n else ""


def diverged_of(number: int, n_seeds: int, replicate: str = "seed") -> str:
    """(1, 3) → "1 of 3 seeds diverged"."""
    return f"{number} of {count(n_seeds, replicate)} diverged"


def have_diverged(results: Results) -> list[str]:
    """Each cell in which runs diverged, and how many: "full, l1 (1 of 3 seeds)"."""
    all_diverged = [
        (cell.levels, f"all {len(cell.seeds)} seeds" if len(cell.seeds) > 1 else "its only run")
        for cell in results.diverged_cells
    ]
    some_diverged = [
        (cell.levels, n_diverged(cell).removesuffix(" diverged"))
        for cell in results.cells
        if cell.diverged
    ]
    return [f"{cell_name(levels)} ({n})" for levels, n in all_diverged + some_diverged]


def rest_in_file(number: int) -> Iterator[Text]:
    """What stands below a table of `number` cells, where it shows not all of them."""
    if number > MOST_ROWS:
        yield Text(f"The first {MOST_ROWS} of {number:,} cells; `cells.csv` has all.", "remark")
