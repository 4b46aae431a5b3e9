"""All results of a study, gathered: what the pages, tables and figures of a report show."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ablation.config import ReportConfig
from ablation.errors import ConfigError
from ablation.pictures.decode import Pixels
from ablation.report.claims import groups, price
from ablation.report.claims.claim import Levels, Rules
from ablation.report.claims.findings import Findings, findings
from ablation.report.claims.folds import fold_means
from ablation.report.claims.groups import table_of_scores
from ablation.report.claims.looks import planned_looks
from ablation.report.claims.metric import ACCURACY, METRICS, MOST_UNEQUAL, Metric, metric_of
from ablation.report.claims.price import Price
from ablation.report.claims.statistics import MeanAccuracy, mean_interval
from ablation.report.claims.tuning import tuning_of
from ablation.report.evidence import answers, divisions, integrity, originals, runs
from ablation.report.evidence import cells as cell_formation
from ablation.report.evidence.answers import Answers
from ablation.report.evidence.cells import Cell, DivergedCell
from ablation.report.evidence.integrity import Check
from ablation.report.evidence.runs import Runs
from ablation.report.evidence.scores import Scores
from ablation.report.evidence.source import HELD_BACK, Evidence, History

#: Learning curves are drawn of this many cells, the best ones.
MOST_CURVES = 12
#: With more probabilities than this, 4 bytes each, the evidence is only kept on request.
MOST_KEPT = 2_000_000
#: As many of the runs whose files can't be read are named, each with the reason.
MOST_NAMED = 3


@dataclass(frozen=True)
class Results:
    """Everything that a report says of a study.

    Attributes:
        runs: what the store holds.
        cells: in which a run finished, in the order in which their levels were asked for.
        diverged_cells: those in which all runs diverged, in the same order.
        groups: the cells by the pictures that they were evaluated on, compared.
        checks: of the integrity of the arms.
        test: the cells' levels → accuracy on the pictures held back; empty where there are none.
        held_back: the cells' levels → right or wrong on these, of shape (n_seeds, n_pictures).
        histories: run id → metrics by epoch, of the cells whose curves are drawn.
        originals: the pictures that flip, by their names, where they can be read again.
        unreadable: run id → why its predictions can't be read, and where they were looked for.
        unread: run id → why its predictions of pictures held back, or its history, can't be read.
        metric: what is compared.
        labels: of each set of pictures, the true class of each picture.
        scores: run id → the scores of its predictions of the validation pictures.
        run_seconds: how long one run took; None where no times are known.
        n_probabilities: how many probabilities all finished runs predicted, estimated from the
            runs compared.
        config: how the report was asked for.
    """

    runs: Runs
    cells: Sequence[Cell]
    diverged_cells: Sequence[DivergedCell]
    groups: Sequence[Findings]
    checks: Sequence[Check]
    test: Mapping[Levels, MeanAccuracy]
    held_back: Mapping[Levels, NDArray[np.bool_]]
    histories: Mapping[str, History]
    originals: Mapping[str, Pixels]
    unreadable: Mapping[str, str]
    unread: Mapping[str, str]
    metric: Metric
    labels: Sequence[tuple[str, ...]]
    scores: Mapping[str, Scores]
    run_seconds: float | None
    n_probabilities: int
    config: ReportConfig

    @property
    def factors(self) -> tuple[str, ...]:
        return tuple(self.runs.factors)

    @property
    def price(self) -> Price | None:
        """What it takes to judge this study; None where its seeds are enough."""
        most = max((cell.seeds for cell in self.cells), key=len, default=())
        n_cells = len(self.cells) + len(self.diverged_cells)
        return price.of_seeds(most, n_cells, self.run_seconds) if most else None

    @property
    def n_folds(self) -> int:
        """Of a cross-validated study; 0 of any other."""
        return max((cell.n_folds for cell in self.cells), default=0)

    @property
    def replicate(self) -> str:
        """What a cell has several runs of: seeds, or folds."""
        return "fold" if self.n_folds else "seed"

    @property
    def breaches(self) -> list[str]:
        return [breach for check in self.checks for breach in check.breaches]

    @property
    def warnings(self) -> list[str]:
        return [warning for check in self.checks for warning in check.warnings]

    @property
    def is_small(self) -> bool:
        """Whether the evidence is so small that it is always kept beside the report."""
        return self.n_probabilities <= MOST_KEPT

    @property
    def losses(self) -> list[str]:
        """What the report lacks because it can't be read, and where it was looked for."""
        others = {run: why for run, why in self.unread.items() if run not in self.unreadable}
        found = []
        for reasons, what, so in (
            (self.unreadable, "the predictions", "their cells have no interval, no comparison"),
            (others, "predictions of pictures held back or the history", "these are left out"),
        ):
            if reasons:
                number = f"{len(reasons):,} run{'' if len(reasons) == 1 else 's'}"
                found.append(f"{what} of {number} can't be read, so {so}: {self._listed(reasons)}")
        return found

    def _listed(self, reasons: Mapping[str, str]) -> str:
        """Run id → why it can't be read, as a list of names with the reasons."""
        names = self.runs.table.set_index("run_id")["name"]
        parts = [f"{names[run_id]} ({why})" for run_id, why in reasons.items()][:MOST_NAMED]
        more = len(reasons) - len(parts)
        return "; ".join(parts) + (f"; and {more:,} more" if more else "")


def gather(evidence: Evidence, config: ReportConfig) -> Results:
    """Read what is known about a study, form its cells, compare them, check its arms.

    Args:
        evidence: on the study.
        config: the baseline levels, the searched settings.

    Raises:
        ConfigError: `report.baseline` or `report.nuisance` names what the study does not have.
    """
    found = runs.read(evidence, config.nuisance)
    _refuse_unknown(found, config)
    found, (cells, diverged), (answers, test_answers) = _cells(evidence, found, config)
    cells, answers = divisions.join(cells, answers, found.table)
    tested = _held_back(cells, test_answers)
    metric = _metric(config, answers, cells)
    cells = [_with_score(cell, answers, metric) for cell in cells]
    tuning = tuning_of(found, cells)
    compared = [
        findings(group, answers, tested, tuning)
        for group in groups.group(
            cells, diverged, answers, found.factors, config.baseline, _rules(found, config, metric)
        )
    ]
    drawn = _drawn(found, compared)
    histories = evidence.histories(drawn)
    n_probabilities = answers.n_probabilities + test_answers.n_probabilities
    n_finished = sum(len(newest_first) for newest_first in found.ledger.finished.values())
    return Results(
        runs=found,
        cells=cells,
        diverged_cells=diverged,
        groups=compared,
        checks=integrity.check(found.table, found.factors, answers),
        test={levels: mean_interval(right) for levels, right in tested.items()},
        held_back=tested,
        histories=histories.read,
        originals=_originals(evidence, compared),
        unreadable=answers.unreadable,
        unread={**test_answers.unreadable, **histories.unreadable},
        metric=metric,
        labels=_labels(answers, cells),
        scores=answers.scores,
        run_seconds=price.seconds_of_run(runs[0] for runs in found.ledger.finished.values()),
        n_probabilities=round(n_probabilities * n_finished / max(len(drawn), 1)),
        config=config,
    )


def _cells(
    evidence: Evidence, found: Runs, config: ReportConfig
) -> tuple[Runs, tuple[Sequence[Cell], Sequence[DivergedCell]], tuple[Answers, Answers]]:
    """The cells with their runs' answers; runs whose answers are not finite count as diverged."""
    while True:
        cells, diverged_cells = cell_formation.form(found)
        both = _answers(evidence, found, cells, config.metric)
        diverged = both[0].diverged | both[1].diverged
        if not diverged:
            return found, (cells, diverged_cells), both
        found = runs.set_aside(found, diverged, config.nuisance)


def _metric(config: ReportConfig, answers: Answers, cells: Sequence[Cell]) -> Metric:
    """What is compared: if nothing is asked for, it depends on the sizes of the classes."""
    if config.metric is not None:
        return metric_of(config.metric)
    is_unequal = any(imbalance(labels) > MOST_UNEQUAL for labels in _labels(answers, cells))
    return METRICS["balanced_accuracy"] if is_unequal else ACCURACY


def _labels(answers: Answers, cells: Sequence[Cell]) -> list[tuple[str, ...]]:
    """The true classes of each set of pictures that is judged as a whole."""
    whole = {answers.pictures[row] for cell in cells for row in cell.rows if row in answers.right}
    return [answers.labels[at] for at in sorted(whole)]


def imbalance(labels: Sequence[str]) -> float:
    """How many times as many pictures the largest class has as the smallest."""
    sizes = Counter(labels).values()
    return max(sizes) / min(sizes) if sizes else 1.0


def _with_score(cell: Cell, answers: Answers, metric: Metric) -> Cell:
    """The cell with what is compared, of each replicate; not for the accuracy that runs logged."""
    if metric == ACCURACY and not cell.n_folds:
        return cell
    if not cell.rows or any(row not in answers.right for row in cell.rows):
        return cell
    table = table_of_scores(cell, answers, metric)
    score: NDArray[np.float64] = table.mean(axis=1, dtype=np.float64)
    if not cell.n_folds:
        return replace(cell, score=score)
    folds = np.stack([answers.folds[row] for row in cell.rows])
    by_fold = fold_means(table[np.newaxis].astype(np.float64), folds).ravel()
    return replace(cell, score=score, by_fold=by_fold)


def _rules(found: Runs, config: ReportConfig, metric: Metric) -> Rules:
    n_looks = max(len(planned_looks(found.plans)), 1)
    return Rules(
        metric=metric,
        difference=config.difference,
        n_looks=n_looks,
        only_baseline=config.compare == "baseline",
    )


def _held_back(cells: Sequence[Cell], answers: Answers) -> dict[Levels, NDArray[np.bool_]]:
    """Levels → right or wrong on the pictures held back, of the cells whose answers can be read."""
    return {
        levels: right
        for pictures, part in groups.tables_of_answers(cells, answers).items()
        if pictures is not None
        for levels, right in part.items()
    }


def _drawn(found: Runs, compared: Sequence[Findings]) -> list[str]:
    """The runs whose learning curves are drawn: those of each group's best cells."""
    best = [cell for group in compared for cell in group.ranked[:MOST_CURVES]]
    wanted = {run_id for cell in best for run_id in cell.run_ids}
    return list(found.table[found.table.run_id.isin(wanted)].run_id)


def _originals(evidence: Evidence, compared: Sequence[Findings]) -> dict[str, Pixels]:
    """The pictures that flip, of each group's own source."""
    found: dict[str, Pixels] = {}
    for group in compared:
        wanted = {flip.picture for one in group.sides for flip in one.flips}
        if wanted:
            found |= originals.read(evidence, group.cells[0].run_ids[0], wanted)
    return found


def _answers(
    evidence: Evidence, found: Runs, cells: Sequence[Cell], metric: str | None
) -> tuple[Answers, Answers]:
    """What the runs of the cells answered: the validation pictures, and those held back."""
    shown = found.table[found.table.run_id.isin({run for cell in cells for run in cell.run_ids})]
    held_back = shown[integrity.column(shown, "metrics.test_accuracy").notna()]
    own = metric if metric is not None and metric not in METRICS else None
    return (
        answers.answers(evidence, shown, own_metric=own),
        answers.answers(evidence, held_back, HELD_BACK),
    )


def _refuse_unknown(found: Runs, config: ReportConfig) -> None:
    """Refuse a baseline or a searched setting that would have no effect."""
    for factor, level in config.baseline.items():
        if not found.table.empty and f"params.{factor}" not in found.table:
            known = ", ".join(found.factors) or "nothing"
            raise ConfigError(
                f"report.baseline.{factor}: no such factor; the study compares {known}"
            )
        # A factor that is the same in all runs has nothing to be compared with.
        if factor in found.factors and level not in found.factors[factor]:
            raise ConfigError(
                f"report.baseline.{factor}={level}: unknown level; choose from "
                + ", ".join(found.factors[factor])
            )
    for key in config.nuisance:
        if not found.table.empty and f"params.{key}" not in found.table:
            raise ConfigError(f"report.nuisance=[{key}]: the study's runs have no such setting")
