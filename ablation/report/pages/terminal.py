"""What the terminal shows of a report: breaches and losses in red, then the main table."""

from rich.console import Group as Stack
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ablation.report.claims.groups import Group
from ablation.report.claims.results import Results
from ablation.report.pages import pairs
from ablation.report.pages import text as in_text

#: Most rows of the main table, and most columns that fit into 80 characters.
MOST_ROWS, MOST_COLUMNS = 20, 3
MOST_EFFECTS = 12
#: Most cells that are named in one line.
MOST_NAMED = 8


def main_table(results: Results) -> RenderableType:
    """Two factors as rows by columns, all else as a ranking; fits into 80 characters."""
    parts: list[RenderableType] = [
        Text(f"BREACH: {breach}.", style="bold red") for breach in results.breaches
    ]
    cells = in_text.have_diverged(results)
    if cells:
        more = f"; and {len(cells) - MOST_NAMED} more" if len(cells) > MOST_NAMED else ""
        text = f"DIVERGED, and so not ranked: {'; '.join(cells[:MOST_NAMED])}{more}."
        parts.append(Text(text, style="bold red"))
    parts += [Text(f"MISSING: {loss}.", style="bold red") for loss in results.losses]
    for group in results.groups:
        pair = pairs.first_pair(results, group)
        is_small = len(pair) == 1 and len(pair[0].columns) <= MOST_COLUMNS
        is_pair = len(pairs.factors_of(results, group)) == 2 and is_small
        parts.append(_pair(pair[0], group.name) if is_pair else _ranking(results, group))
        parts += _effects(results, group)
    if not results.groups:
        parts.append(Text("No run has finished."))
    return Stack(*parts)


def _pair(pair: pairs.PairTable, where: str) -> Table:
    content = pair.as_table()
    table = Table(title=_title(where), title_justify="left")
    for name, side in zip(content.header, content.align, strict=True):
        table.add_column(name, justify="right" if side == "r" else "left")
    for row in content.rows:
        table.add_row(*row)
    return table


def _ranking(results: Results, group: Group) -> Table:
    n = len(group.ranked)
    best = f", the {MOST_ROWS} best of {n:,} cells" if n > MOST_ROWS else ""
    table = Table(title=_title(group.name) + best, title_justify="left")
    names = [name.rpartition(".")[2] for name in (*results.factors, *results.runs.searched)]
    # Many narrow columns would be cut off at 80 characters; one column of all levels is not.
    joined = len(names) > MOST_COLUMNS
    for name in [", ".join(names)] if joined else names:
        table.add_column(name)
    table.add_column("accuracy, %", justify="right", no_wrap=True)
    table.add_column("seeds", justify="right")
    for cell in group.ranked[:MOST_ROWS]:
        levels = [*cell.levels, *cell.chosen.values()]
        table.add_row(
            *([", ".join(levels)] if joined else levels),
            in_text.accuracy(cell, group),
            str(len(cell.seeds)),
        )
    for cell in group.unranked[:MOST_ROWS]:
        levels = [*cell.levels, *cell.chosen.values()]
        mean = f"{in_text.percent(cell.mean)}, {in_text.n_diverged(cell)}"
        table.add_row(*([", ".join(levels)] if joined else levels), mean, str(len(cell.seeds)))
    for lost in list(pairs.lost_here(results, group))[:MOST_ROWS]:
        levels = [*lost, *["–"] * len(results.runs.searched)]
        table.add_row(*([", ".join(levels)] if joined else levels), "diverged", "0")
    return table


def _effects(results: Results, group: Group) -> list[RenderableType]:
    """The effects in one line each, and what the intervals hold for."""
    claims = group.comparison.effects[:MOST_EFFECTS] if group.comparison else ()
    lines = [
        f"{claim.factor}: {in_text.claim_name(claim)} = {in_text.difference(claim)} points, "
        f"{in_text.verdict(results, claim)}"
        for claim in claims
    ]
    note = in_text.dagger(results, claims)
    if note:
        lines.append(note)
    if any(len(cell.seeds) == 1 for cell in group.cells):
        lines.append("One seed: the 95 % intervals are for new pictures on these weights only.")
    return [Text(line) for line in lines]


def _title(where: str) -> str:
    return f"Best validation accuracy, %{f' ({where})' if where else ''}"
