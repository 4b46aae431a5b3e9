"""The section "Paired pictures": with one seed, the pictures on which two runs were right."""

from collections.abc import Iterator, Sequence

from ablation.report.claims.claim import cell_name
from ablation.report.claims.findings import Findings
from ablation.report.claims.results import Results
from ablation.report.pages.blocks import Block, PageFigure, Table, Text

#: Rows of the table.
MOST_ROWS = 40


def pictures(results: Results, group: Findings, figures: Sequence[PageFigure]) -> Iterator[Block]:
    """Counts of pictures for the pairs of cells that are alike in all factors but one."""
    pairs = [pair for pair in group.paired if pair.n_factors == 1]
    if not pairs:
        return
    yield Text(
        "Pairs of runs of one seed that are alike in all factors but one: the validation pictures "
        "that both classified correctly, only one of them, or neither.",
        "remark",
    )
    rows = tuple(
        (
            cell_name(pair.a),
            cell_name(pair.b),
            *(f"{n:,}" for n in (pair.both, pair.only_a, pair.only_b, pair.neither)),
        )
        for pair in pairs[:MOST_ROWS]
    )
    header = ("first", "second", "both right", "only the first", "only the second", "neither")
    yield Table(header, rows, "llrrrr")
    if len(pairs) > MOST_ROWS:
        yield Text(
            f"The first {MOST_ROWS} of {len(pairs):,} such pairs; `pairs.csv` has all pairs.",
            "remark",
        )
