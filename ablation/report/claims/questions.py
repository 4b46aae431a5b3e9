"""Which cells stand in a comparison that is still open."""

from ablation.report.claims.claim import CellContrast, Comparison, Levels
from ablation.report.claims.results import Results
from ablation.study.rounds import Progress


def progress(results: Results) -> Progress:
    """The comparisons of each cell with the baseline cell and with the best one."""
    n_settled = n_questions = 0
    open_cells: set[Levels] = set()
    for group in results.groups:
        if group.comparison is None or not group.ranked:
            continue
        questions = questions_of(group.comparison, group.ranked[0].levels)
        open_ones = [claim for claim in questions if not is_settled(claim)]
        n_questions += len(questions)
        n_settled += len(questions) - len(open_ones)
        open_cells.update(cell for claim in open_ones for cell in (claim.a, claim.b))
    n_seeds = max((len(cell.seeds) for cell in results.cells), default=0)
    cells = tuple(cell.levels for cell in results.cells if cell.levels in open_cells)
    return Progress(
        n_seeds, n_settled, n_questions, results.factors, cells, seconds=results.run_seconds
    )


def questions_of(comparison: Comparison, best: Levels) -> list[CellContrast]:
    """The comparisons of cells with the baseline cell, or with the best."""
    asked = {tuple(comparison.baseline.values()), best}
    return [claim for claim in comparison.contrasts if asked & {claim.a, claim.b}]


def is_settled(claim: CellContrast) -> bool:
    """Whether more seeds would say no more."""
    # Where two cells predict the same on every picture, they would go on to do so.
    return claim.verdict != "open" or claim.same == "predictions"
