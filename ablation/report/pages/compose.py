"""The report from top to bottom: its sections, in the order in which a careful reader asks."""

from collections.abc import Callable, Iterable, Sequence

from ablation.report.claims.findings import Findings
from ablation.report.claims.results import Results
from ablation.report.claims.words import count
from ablation.report.pages import paired
from ablation.report.pages.answers import answers
from ablation.report.pages.arms import integrity
from ablation.report.pages.blocks import Block, Figures, Page, PageFigure, Section
from ablation.report.pages.effects import effects, shares
from ablation.report.pages.epoch import selection
from ablation.report.pages.flips import flips
from ablation.report.pages.ledger import ledger
from ablation.report.pages.origin import origin
from ablation.report.pages.overview import all_cells, what_was_compared
from ablation.report.pages.pair_tables import pairs
from ablation.report.pages.ranking import ranking
from ablation.report.pages.scores import scores
from ablation.report.pages.searched import searched
from ablation.report.pages.training import curves, time

#: Makes the blocks of a section on one group of cells; the figures are that section's.
Maker = Callable[[Results, Findings, Sequence[PageFigure]], Iterable[Block]]


def compose(results: Results, figures: Sequence[Figures]) -> Page:
    """Everything that a report says; sections with nothing to say are left out.

    Args:
        results: of the study.
        figures: for each group of cells, its figures by section.
    """

    def of_groups(title: str, make: Maker, shows: str = "") -> list[Section]:
        """A section for each group of cells, with the figures that it shows."""
        return [
            Section(
                f"{title}: {group.name}" if group.name else title,
                tuple(make(results, group, drawn.get(shows, ()))),
            )
            for group, drawn in zip(results.groups, figures, strict=True)
        ]

    sections = [
        Section("What was compared", tuple(what_was_compared(results))),
        Section("All cells", tuple(all_cells(results))),
        *of_groups("Answers", answers),
        *of_groups("Ranking", ranking, "ranking"),
        *of_groups("Pairs of factors", pairs, "pairs"),
        *of_groups("Paired pictures", paired.pictures),
        *of_groups("Effects", effects, "effects"),
        *of_groups("Pictures that flip", flips, "flips"),
        *of_groups("Shares of variance", shares),
        *of_groups("Selection of the epoch", selection),
        *of_groups("Searched settings", searched),
        *of_groups("Scores and cost", scores),
        Section("Ledger", tuple(ledger(results))),
        Section("Integrity of the arms", tuple(integrity(results))),
        *of_groups("Learning curves", curves, "curves"),
        *of_groups("Accuracy and training time", time, "time"),
        Section("How this was made", tuple(origin(results))),
    ]
    shown = tuple(section for section in sections if section.blocks)
    return Page(title(results), tuple(results.breaches), shown)


def title(results: Results) -> str:
    """The study's name; of an incomplete one also how many of its runs have finished."""
    name, ledger = results.runs.study, results.runs.ledger
    if results.runs.is_complete:
        return name
    ended = {*ledger.finished, *ledger.diverged, *ledger.failed, *ledger.running}
    asked = set(ledger.planned) or ended
    n_diverged = len(asked & set(ledger.diverged))
    diverged = f", {n_diverged:,} diverged" if n_diverged else ""
    n_finished, n_asked = len(asked & set(ledger.finished)), count(len(asked), "run")
    return f"{name} (INCOMPLETE: {n_finished:,} of {n_asked} finished{diverged})"
