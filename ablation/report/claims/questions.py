"""Which cells stand in a comparison that is still open."""

from ablation.report.claims.claim import CellContrast, Levels
from ablation.report.claims.findings import Findings
from ablation.report.claims.results import Results
from ablation.study.rounds import Progress


def progress(results: Results) -> Progress:
    """The comparisons of each cell with the baseline cell and with the best one."""
    n_settled = n_questions = 0
    open_cells: dict[Levels, None] = {}
    for group in results.groups:
        for claim in _questions(group):
            n_questions += 1
            # Where two cells predict the same on every picture, more seeds say no more.
            if claim.verdict != "open" or claim.same == "predictions":
                n_settled += 1
            else:
                open_cells.update(dict.fromkeys((claim.a, claim.b)))
    n_seeds = max((len(cell.seeds) for cell in results.cells), default=0)
    cells = tuple(cell.levels for cell in results.cells if cell.levels in open_cells)
    return Progress(
        n_seeds, n_settled, n_questions, results.factors, cells, seconds=results.run_seconds
    )


def _questions(group: Findings) -> list[CellContrast]:
    if group.comparison is None or not group.ranked:
        return []
    baseline = tuple(group.comparison.baseline.values())
    asked = {baseline, group.ranked[0].levels}
    return [claim for claim in group.comparison.contrasts if asked & {claim.a, claim.b}]
