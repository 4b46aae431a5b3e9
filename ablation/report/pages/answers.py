"""The section "Answers": each effect, the interactions and the best cell in words."""

import itertools
from collections.abc import Iterator, Sequence

from ablation.report.claims.claim import Claim, Interaction, LevelEffect, Levels, cell_name
from ablation.report.claims.findings import Findings
from ablation.report.claims.results import Results
from ablation.report.claims.words import count, in_words, tuning_note
from ablation.report.pages.blocks import Block, Bullets, PageFigure, Text
from ablation.report.pages.cell_text import accuracy
from ablation.report.pages.claim_text import claim_factors, left_out
from ablation.report.pages.numbers import listed

#: Significant interactions in words, and cells that are named in a sentence.
MOST_IN_WORDS = 8
#: Up to this many interactions are put into words even where they are not significant.
FEW = 4


def answers(results: Results, group: Findings, figures: Sequence[PageFigure]) -> Iterator[Block]:
    """What can be concluded about a group of cells."""
    if not group.ranked:
        yield Text("Runs diverged in every cell, so there is nothing that can be compared.")
    elif len(group.ranked) == 1:
        cell = group.ranked[0]
        name = f"{cell_name(cell.levels)}: " if cell.levels else ""
        yield Text(
            f"{name}{accuracy(cell, group)} %, {count(len(cell.seeds), 'seed')}. "
            "There is no other cell to compare it with."
        )
    elif group.comparison is None:
        yield Text("Without predictions, no difference between these cells can be judged.")
    else:
        items = list(_effects(results, group.comparison.effects))
        items += _interactions(results, group.comparison.interactions)
        items.append(("best cell", _best_cell(results, group)))
        yield Bullets(tuple(items))


def _effects(results: Results, claims: Sequence[LevelEffect]) -> Iterator[tuple[str, str]]:
    """Level by level; in one sentence where none of a factor's levels changed anything."""
    for factor, found in itertools.groupby(claims, key=lambda claim: claim.factor):
        effects = list(found)
        if len(effects) > 1 and all(claim.same == "predictions" for claim in effects):
            levels = ", ".join([effects[0].baseline, *(claim.level for claim in effects)])
            yield (
                factor,
                f"all its levels ({levels}) gave the same prediction on every picture in every "
                f"matched pair of cells: at these settings {factor} changed no prediction.",
            )
        else:
            for claim in effects:
                yield factor, _sentence(results, claim)


def _sentence(results: Results, claim: Claim) -> str:
    notes = [left_out(results, claim), tuning_note(claim)]
    return "; ".join([in_words(claim, results.config.difference), *filter(None, notes)]) + "."


def _interactions(results: Results, claims: Sequence[Interaction]) -> Iterator[tuple[str, str]]:
    """The significant ones, the largest first; the others in words too where they are few."""
    significant = [claim for claim in claims if claim.is_significant]
    others = [claim for claim in claims if not claim.is_significant]
    significant.sort(key=lambda claim: -abs(claim.found.difference))
    for claim in [*significant[:MOST_IN_WORDS], *(others if len(others) <= FEW else [])]:
        yield claim_factors(claim), _sentence(results, claim)
    n_more = len(significant) - MOST_IN_WORDS
    if n_more > 0:
        yield "interactions", f"{n_more} more are significant; they are in the table below."
    if len(others) > FEW:
        yield (
            "interactions",
            f"{len(others)} of {len(claims)} are not significant; they are in the table below.",
        )


def _best_cell(results: Results, group: Findings) -> str:
    first, *others = group.ranked
    start = f"{cell_name(first.levels)} ranks first with {accuracy(first, group)} %"
    if group.unranked or results.diverged_cells:
        start += " among the cells in which no run diverged"
    beside, anchor = group.beside_anchor, group.anchor

    def is_significant(levels: Levels) -> bool:
        return levels in beside and beside[levels].is_significant

    if anchor != first.levels:
        assert anchor is not None
        is_open = first.levels in beside and not is_significant(first.levels)
        ending = ", which is not significantly better than the reference" if is_open else ""
        return (
            f"{start}{ending}. With this many cells, each is compared with one only: the reference "
            f"{cell_name(anchor)}, which was not chosen by its result."
        )
    open_ones = [cell for cell in others if not is_significant(cell.levels)]
    if not open_ones:
        return f"{start}. It is significantly better than every other cell."
    names = listed((cell_name(cell.levels) for cell in open_ones), MOST_IN_WORDS)
    if len(open_ones) == len(others):
        return f"{start}. It is not significantly better than any other cell: {names}."
    of = f"{len(open_ones)} of the {len(others)} others"
    return f"{start}. It is not significantly better than {of}: {names}."
