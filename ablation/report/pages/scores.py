"""The section "Scores and cost": what each cell reached by other scores, and what it cost."""

from collections.abc import Iterator, Sequence

import numpy as np

from ablation.report.claims.claim import cell_name
from ablation.report.claims.findings import Findings
from ablation.report.claims.metric import MOST_UNEQUAL
from ablation.report.claims.results import Results, imbalance
from ablation.report.evidence.cells import Cell
from ablation.report.evidence.scores import BINS, Scores
from ablation.report.pages.blocks import Block, PageFigure, Table, Text
from ablation.report.pages.cell_text import MOST_ROWS, rest_in_file
from ablation.report.pages.numbers import duration, percent

#: Classes whose recall has a column; `scores.csv` has all.
MOST_CLASSES = 12


def scores(results: Results, group: Findings, figures: Sequence[PageFigure]) -> Iterator[Block]:
    """Means over the seeds, from the stored predictions; numbers only."""
    cells = [cell for cell in group.ranked[:MOST_ROWS] if scores_of(results, cell)]
    if not cells:
        return
    yield Text(
        "Means over the seeds, at the epoch of the best accuracy. AUROC: each class against the "
        "rest. Log loss and Brier score: good values are low. Calibration error: the expected gap "
        f"between confidence and accuracy, in {BINS} equal bins.",
        "remark",
    )
    yield scores_table(results, cells)
    if any(imbalance(labels) > MOST_UNEQUAL for labels in results.labels):
        yield recall_table(results, cells)
    yield cost_table(cells)
    yield from rest_in_file(len(group.ranked))


def scores_of(results: Results, cell: Cell) -> list[Scores]:
    """Of each seed of a cell whose predictions can be read."""
    return [results.scores[run_id] for run_id in cell.run_ids if run_id in results.scores]


def mean_of(found: Sequence[Scores], name: str) -> float:
    """The mean of a score over the seeds."""
    return float(np.mean([getattr(scores, name) for scores in found]))


def scores_table(results: Results, cells: Sequence[Cell]) -> Table:
    """A row for each cell."""
    rows = []
    for cell in cells:
        found = scores_of(results, cell)
        shares = [mean_of(found, name) for name in ("balanced_accuracy", "macro_f1", "auroc")]
        losses = [mean_of(found, name) for name in ("log_loss", "brier")]
        rows.append(
            (
                cell_name(cell.levels),
                percent(float(cell.best.mean())),
                *map(percent, shares),
                *(f"{loss:.3f}" if np.isfinite(loss) else "–" for loss in losses),
                percent(mean_of(found, "calibration_error")),
            )
        )
    header = (
        "cell", "accuracy, %", "balanced accuracy, %", "macro-F1, %", "AUROC, %", "log loss",
        "Brier score", "calibration error, %",
    )  # fmt: skip
    return Table(header, tuple(rows), "l" + "r" * 7)


def recall_table(results: Results, cells: Sequence[Cell]) -> Table:
    """The recall of each class, a row for each cell."""
    classes = list(scores_of(results, cells[0])[0].recall)
    shown = classes[:MOST_CLASSES]
    rows = []
    for cell in cells:
        found = scores_of(results, cell)
        recall = (np.mean([scores.recall.get(name, np.nan) for scores in found]) for name in shown)
        rows.append((cell_name(cell.levels), *(percent(float(share)) for share in recall)))
    more = f"; {len(shown)} of {len(classes)} classes" if len(shown) < len(classes) else ""
    caption = f"Recall of each class, %{more}"
    return Table(("cell", *shown), tuple(rows), "l" + "r" * len(shown), caption)


def cost_table(cells: Sequence[Cell]) -> Table:
    """What a run of each cell cost on average."""
    rows = tuple(
        (
            cell_name(cell.levels),
            percent(float(cell.best.mean())),
            duration(float(cell.seconds.mean())),
            _whole(float(cell.parameters.mean())),
            _whole(float(cell.memory.mean())),
        )
        for cell in cells
    )
    header = ("cell", "accuracy, %", "training time", "trained parameters", "peak memory, MB")
    return Table(header, rows, "lrrrr", "Cost of a run")


def _whole(number: float) -> str:
    return f"{number:,.0f}" if np.isfinite(number) else "–"
