"""The report of a study: evidence → claims → pages."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ablation.config import ReportConfig
from ablation.study.ledger import exit_code

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ablation.report.evidence.source import Evidence
    from ablation.study.ledger import Ledger
    from ablation.study.rounds import Progress


@dataclass(frozen=True)
class Written:
    """A report on disk.

    Attributes:
        path: of report.md; report.html, the tables as CSV and figures/ lie beside it.
        main_table: for the terminal: breaches, if any, then the cells' accuracies.
        breaches: a sentence on each way in which what was compared is not what was asked for.
        losses: a sentence on what could not be read, and where it was looked for.
        ledger: every run by what has become of it.
        is_complete: whether all that was asked for has finished.
        progress: which comparisons are settled, and which cells stand in open ones.
    """

    path: Path
    main_table: "RenderableType"
    breaches: tuple[str, ...]
    losses: tuple[str, ...]
    ledger: "Ledger"
    is_complete: bool
    progress: "Progress"

    @property
    def exit_code(self) -> int:
        """0, or 2 where planned runs did not finish, an arm is not what it says, or runs' files
        can't be read."""
        faults = (*self.breaches, *self.losses)
        return exit_code(is_complete=self.is_complete, faults=faults)


def write(
    evidence: "Evidence", results: Path, config: ReportConfig, *, has_latex: bool = False
) -> Written:
    """Write the report of a study, and beside it the evidence that it was made from.

    Args:
        evidence: on the study, from its store or from a file.
        results: the folder of the reports; this one goes into a folder of the study's name.
        config: the baseline levels, the searched settings, the difference that matters.
        has_latex: whether the main tables are written in LaTeX, too.

    Raises:
        ConfigError: `report.baseline` or `report.nuisance` names what the study does not have, or
            the report can't be written: then the one before is as it was.
    """
    # Here, because these load matplotlib and pandas: a mistake in a command is answered before.
    from ablation.report.claims import questions
    from ablation.report.claims.results import gather
    from ablation.report.evidence import archive, archive_writer
    from ablation.report.pages import compose, csv_files, figures, latex, render, replace, terminal

    found = gather(evidence, config)
    page = compose.compose(found, figures.draw(found))
    folder = results / evidence.study
    own, last = (f"{render.FIGURES}/*.png", *csv_files.SOME), (render.HTML, render.MARKDOWN)
    with replace.replaced(folder, own, last) as fresh:
        csv_files.save(found, fresh)
        render.save(page, fresh)
        if has_latex or (folder / latex.NAME).exists():
            latex.save(page, fresh)
        # What was kept on request must not stay as it was beside a newer report.
        if found.is_small or (folder / archive.NAME).exists():
            archive_writer.write(evidence, fresh / archive.NAME)
    return Written(
        folder / render.MARKDOWN,
        terminal.main_table(found),
        tuple(found.breaches),
        tuple(found.losses),
        found.runs.ledger,
        found.runs.is_complete,
        questions.progress(found),
    )
