"""The report of a study: from the runs in MLflow to pages whose every claim can be checked."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ablation.config import ReportConfig

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from rich.console import RenderableType

    from ablation.study import Ledger


@dataclass(frozen=True)
class Written:
    """A report on disk.

    Attributes:
        path: of report.md; report.html, the tables as CSV and figures/ lie beside it.
        main_table: for the terminal: breaches, if any, then the cells' accuracies.
        breaches: what makes the comparison another than the one asked for, a sentence each.
        ledger: every run by what has become of it.
        is_complete: whether all that was asked for has finished.
    """

    path: Path
    main_table: "RenderableType"
    breaches: tuple[str, ...]
    ledger: "Ledger"
    is_complete: bool

    @property
    def exit_code(self) -> int:
        """0, or 2 where planned runs did not finish or an arm is not what it says."""
        return 0 if self.is_complete and not self.breaches else 2


def write(client: "MlflowClient", study: str, results: Path, config: ReportConfig) -> Written:
    """Write the report of a study from what the store holds.

    Args:
        client: of the store.
        study: the study's name.
        results: the folder of the reports; this one goes into a folder of the study's name.
        config: the baseline levels, the searched settings, the difference that matters.

    Raises:
        TrackingError: the store has no such study.
        ConfigError: `report.baseline` or `report.nuisance` names what the study does not have.
    """
    # Here, because these load MLflow and matplotlib: a mistake in a command is answered before.
    from ablation.report import figures, pages, tables, terminal
    from ablation.report.results import gather

    found = gather(client, study, config)
    folder = results / study
    folder.mkdir(parents=True, exist_ok=True)
    tables.save(found, folder)
    path = pages.save(pages.compose(found, figures.draw(found)), folder)
    return Written(
        path,
        terminal.main_table(found),
        tuple(found.breaches),
        found.runs.ledger,
        found.runs.is_complete,
    )
