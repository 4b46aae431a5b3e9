"""What the terminal shows of a report: breaches and losses in red, then the main table."""

from collections.abc import Iterator, Sequence

from rich.console import Group as Stack
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ablation.report.claims.findings import Findings
from ablation.report.claims.pair_tables import PairTable
from ablation.report.claims.results import Results
from ablation.report.pages import fraction
from ablation.report.pages.answers import not_judged
from ablation.report.pages.cell_text import have_diverged, n_diverged, reached
from ablation.report.pages.claim_text import claim_name, dagger, difference, verdict
from ablation.report.pages.numbers import listed, value
from ablation.report.pages.overview import best_validation
from ablation.report.pages.pair_tables import pair_table

#: Rows of the main table.
MOST_ROWS = 20
#: Columns of levels that fit into 80 characters.
MOST_COLUMNS = 3
#: Effects that are listed.
MOST_EFFECTS = 12
#: Cells that are named in one line.
MOST_NAMED = 8


def main_table(results: Results) -> RenderableType:
    """Two factors as rows by columns, anything else as a ranking; fits into 80 characters."""
    parts: list[RenderableType] = [Text(line, style="bold red") for line in _alarms(results)]
    for group in results.groups:
        pair = group.first_pair
        is_small = len(pair) == 1 and len(pair[0].columns) <= MOST_COLUMNS
        is_pair = len(group.compared) == 2 and is_small
        parts.append(_pair(pair[0], group) if is_pair else _ranking(results, group))
        parts += map(Text, _effects(results, group))
        parts += [Text(block.text) for block in fraction.sentence(group)]
    if not results.groups:
        parts.append(Text("No run has finished."))
    return Stack(*parts)


def _alarms(results: Results) -> Iterator[str]:
    for breach in results.breaches:
        yield f"BREACH: {breach}."
    cells = have_diverged(results)
    if cells:
        yield f"DIVERGED, and so not ranked: {listed(cells, MOST_NAMED)}."
    for loss in results.losses:
        yield f"MISSING: {loss}."


def _pair(pair: PairTable, group: Findings) -> Table:
    content = pair_table(pair, group.metric)
    table = Table(title=_title(group), title_justify="left")
    for name, side in zip(content.header, content.align, strict=True):
        table.add_column(name, justify="right" if side == "r" else "left")
    for row in content.rows:
        table.add_row(*row)
    return table


def _ranking(results: Results, group: Findings) -> Table:
    n = len(group.ranked)
    best = f", the {MOST_ROWS} best of {n:,} cells" if n > MOST_ROWS else ""
    table = Table(title=_title(group) + best, title_justify="left")
    names = [name.rpartition(".")[2] for name in (*results.factors, *results.runs.searched)]

    def columns(texts: Sequence[str]) -> Sequence[str]:
        """Many narrow columns would be cut off at 80 characters; one of all levels is not."""
        return [", ".join(texts)] if len(names) > MOST_COLUMNS else texts

    for name in columns(names):
        table.add_column(name)
    table.add_column(group.metric.header, justify="right", no_wrap=True)
    table.add_column(f"{results.replicate}s", justify="right")
    for cell in group.ranked[:MOST_ROWS]:
        levels = [*cell.levels, *cell.chosen.values()]
        table.add_row(*columns(levels), reached(cell, group), str(len(cell.seeds)))
    for cell in group.unranked[:MOST_ROWS]:
        levels = [*cell.levels, *cell.chosen.values()]
        mean = f"{value(group.metric, cell.mean)}, {n_diverged(cell)}"
        table.add_row(*columns(levels), mean, str(len(cell.seeds)))
    for diverged in group.diverged_cells[:MOST_ROWS]:
        levels = [*diverged, *["–"] * len(results.runs.searched)]
        table.add_row(*columns(levels), "diverged", "0")
    return table


def _effects(results: Results, group: Findings) -> Iterator[str]:
    """A line for each effect; with one seed, what is missing for any."""
    claims = group.comparison.effects[:MOST_EFFECTS] if group.comparison else ()
    for claim in claims:
        figures = f"{claim_name(claim)} = {difference(claim)} {group.metric.unit}".rstrip()
        yield f"{claim.factor}: {figures}, {verdict(claim)}"
    note = dagger(claims)
    if note:
        yield note
    if group.comparison and not group.comparison.contrasts and len(group.cells) > 1:
        yield not_judged(results)


def _title(group: Findings) -> str:
    percent = ", %" if group.metric.is_share else ""
    return f"{best_validation(group.metric)}{percent}{f' ({group.name})' if group.name else ''}"
