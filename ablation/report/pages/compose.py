"""The pages of a report: what is said, in which order, as Markdown and as HTML.

The content is made once, as sections of blocks; each template only sets them. In a text, what
stands between backticks is code.
"""

from collections.abc import Callable, Iterator, Sequence

from ablation.report.claims.groups import Group
from ablation.report.claims.results import Results
from ablation.report.pages.answers import _all, _answers, _what
from ablation.report.pages.blocks import Block, Page, Pictures, Section
from ablation.report.pages.origin import _integrity, _ledger, _made
from ablation.report.pages.sections import (
    _curves,
    _effects,
    _pairs,
    _ranking,
    _searched,
    _selection,
    _shares,
    _time,
)
from ablation.report.pages.text import count


def compose(results: Results, pictures: Sequence[Pictures]) -> Page:
    """Everything that a report says, in the order in which a careful reader asks for it.

    Args:
        results: what to tell.
        pictures: for each group of cells, its figures by section.
    """
    sections = [Section("What was compared", tuple(_what(results)))]
    if len(results.groups) > 1:
        sections.append(Section("All cells", tuple(_all(results))))
    for make in (_answers, _ranking, _pairs, _effects, _shares, _selection, _searched):
        sections += _of_groups(make, results, pictures)
    sections.append(Section("Ledger", tuple(_ledger(results))))
    if results.checks:
        sections.append(Section("Integrity of the arms", tuple(_integrity(results))))
    for make in (_curves, _time):
        sections += _of_groups(make, results, pictures)
    sections.append(Section("How this was made", tuple(_made(results))))
    ledger = results.runs.ledger
    title = results.runs.study
    if not results.runs.is_complete:
        ended = {*ledger.finished, *ledger.diverged, *ledger.failed, *ledger.running}
        asked = set(ledger.planned) or ended
        done = len(asked & set(ledger.finished))
        n_lost = len(asked & set(ledger.diverged))
        diverged = f", {n_lost:,} diverged" if n_lost else ""
        title += f" (INCOMPLETE: {done:,} of {count(len(asked), 'run')} finished{diverged})"
    return Page(title, tuple(results.breaches), tuple(sections))


Maker = Callable[[Results, Group, Pictures], Iterator[Block]]


def _of_groups(make: Maker, results: Results, pictures: Sequence[Pictures]) -> Iterator[Section]:
    """A section for each group that has something to say."""
    for group, drawn in zip(results.groups, pictures, strict=True):
        blocks = tuple(make(results, group, drawn))
        where = f": {group.name}" if group.name else ""
        if blocks:
            yield Section(TITLES[make.__name__] + where, blocks)


TITLES = {
    "_answers": "Answers",
    "_ranking": "Ranking",
    "_pairs": "Pairs of factors",
    "_effects": "Effects",
    "_shares": "Shares of variance",
    "_selection": "Selection of the epoch",
    "_searched": "Searched settings",
    "_curves": "Learning curves",
    "_time": "Accuracy and training time",
}
