"""The section "Answers": each effect, the interactions and the best cell in words."""

import itertools
from collections.abc import Iterator, Sequence

from ablation.report.claims.claim import (
    Claim,
    Interaction,
    LevelEffect,
    Levels,
    Verdict,
    cell_name,
)
from ablation.report.claims.findings import Findings
from ablation.report.claims.results import Results
from ablation.report.claims.words import count, in_words, tuning_note
from ablation.report.evidence.cells import Cell
from ablation.report.pages import fraction
from ablation.report.pages.blocks import Block, Bullets, PageFigure, Text
from ablation.report.pages.cell_text import reached
from ablation.report.pages.claim_text import claim_factors, left_out
from ablation.report.pages.numbers import listed

#: Interactions in words, and cells that are named in a sentence.
MOST_IN_WORDS = 8
#: Up to this many interactions are put into words even where they are open.
FEW = 4


def answers(results: Results, group: Findings, figures: Sequence[PageFigure]) -> Iterator[Block]:
    """What can be concluded about a group of cells."""
    if not group.ranked:
        yield Text("Runs diverged in every cell, so there is nothing that can be compared.")
    elif len(group.ranked) == 1:
        cell = group.ranked[0]
        name = f"{cell_name(cell.levels)}: " if cell.levels else ""
        yield Text(
            f"{name}{reached(cell, group)}{_percent(group)}, {count(len(cell.seeds), 'seed')}. "
            "There is no other cell to compare it with."
        )
    elif group.comparison is None:
        yield Text("Without predictions, no difference between these cells can be judged.")
    elif not group.comparison.contrasts:
        yield Text(not_judged(results))
    else:
        items = list(_effects(results, group.comparison.effects))
        items += _interactions(results, group.comparison.interactions)
        items.append(("best cell", _best_cell(results, group)))
        yield Bullets(tuple(items))
    yield from fraction.sentence(group)
    yield from fraction.aliases(group)


def not_judged(results: Results) -> str:
    """What is said in place of verdicts where the cells share fewer than two seeds."""
    price = results.price
    adds = (
        f" {price}." if price else " Each cell needs runs of two seeds at least, the same in all."
    )
    return (
        "One seed says nothing about levels: another seed, processor or version of a library may "
        f"rank these cells otherwise.{adds}"
    )


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
    return "; ".join([in_words(claim, results.run_seconds), *filter(None, notes)]) + "."


def _interactions(results: Results, claims: Sequence[Interaction]) -> Iterator[tuple[str, str]]:
    """Those that are there, the largest first; the others in words too where they are few."""
    different = [claim for claim in claims if claim.verdict == "different"]
    others = [claim for claim in claims if claim.verdict != "different"]
    different.sort(key=lambda claim: -abs(claim.found.difference))
    for claim in [*different[:MOST_IN_WORDS], *(others if len(others) <= FEW else [])]:
        yield claim_factors(claim), _sentence(results, claim)
    n_more = len(different) - MOST_IN_WORDS
    if n_more > 0:
        yield "interactions", f"{n_more} more are in the table below."
    if len(others) > FEW:
        n_open = sum(claim.verdict == "open" for claim in others)
        n_same = len(others) - n_open
        same = f" and {n_same} are the same within the difference of interest" if n_same else ""
        yield (
            "interactions",
            f"of {len(claims)}, {n_open} are open{same}; they are in the table below.",
        )


def _percent(group: Findings) -> str:
    return " %" if group.metric.is_share else f" {group.metric.label}"


def _best_cell(results: Results, group: Findings) -> str:
    first, *others = group.ranked
    start = f"{cell_name(first.levels)} ranks first with {reached(first, group)}{_percent(group)}"
    if group.unranked or results.diverged_cells:
        start += " among the cells in which no run diverged"
    beside, anchor = group.beside_anchor, group.anchor

    def verdict(levels: Levels) -> Verdict:
        return beside[levels].verdict if levels in beside else "open"

    if anchor != first.levels:
        assert anchor is not None
        is_open = first.levels in beside and verdict(first.levels) == "open"
        ending = "; whether it is better than the reference is open" if is_open else ""
        why = "" if results.config.compare == "baseline" else "With this many cells, each"
        return (
            f"{start}{ending}. {why or 'Each cell'} is compared with one only: the reference "
            f"{cell_name(anchor)}, which was not chosen by its result."
        )
    by_verdict: dict[Verdict, list[Cell]] = {"different": [], "same": [], "open": []}
    alike: list[Cell] = []
    for cell in others:
        is_alike = cell.levels in beside and bool(beside[cell.levels].same)
        (alike if is_alike else by_verdict[verdict(cell.levels)]).append(cell)
    if len(by_verdict["different"]) == len(others):
        return f"{start}. It is better than every other cell."
    parts = []
    if by_verdict["different"]:
        parts.append(
            f"It is better than {len(by_verdict['different'])} of the {len(others)} others"
        )
    within = results.metric.amount(results.config.difference)
    for cells, relation in (
        (alike, "it was right on the same pictures as"),
        (by_verdict["same"], f"it is the same within {within} as"),
        (by_verdict["open"], "it is open whether it is better than"),
    ):
        if cells:
            names = listed((cell_name(cell.levels) for cell in cells), MOST_IN_WORDS)
            parts.append(f"{relation} {count(len(cells), 'other')}: {names}")
    text = "; ".join(parts)
    return f"{start}. {text[0].upper()}{text[1:]}."
