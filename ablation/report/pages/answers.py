"""What was compared, and the answers in words."""

import itertools
from collections.abc import Iterable, Iterator, Sequence

from ablation.report.claims.claim import Claim, Interaction, LevelEffect, cell_name
from ablation.report.claims.groups import Group
from ablation.report.claims.results import Results
from ablation.report.claims.tuning import LEARNING_RATE, tuning_note
from ablation.report.claims.words import in_words
from ablation.report.evidence.runs import level_of, params_of
from ablation.report.pages import tables
from ablation.report.pages import text as in_text
from ablation.report.pages.blocks import Block, Bullets, Pictures, Text
from ablation.report.pages.text import count

#: What a reader wants to see even where it is the same in all runs, in this order.
FACTORS = ("data", "model", "transfer", "reg", "optimizer", "scheduler")
SETTINGS = (LEARNING_RATE, "epochs", "batch_size")
#: Most items of a list on a page, most in a sentence, and how many are few enough for all.
MOST_ITEMS, MOST_IN_WORDS, FEW = 20, 8, 4


def _what(results: Results) -> Iterator[Block]:
    found = results.runs
    if not results.cells:
        yield Text("No run has finished, so there is nothing to compare yet.", "warning")
        yield from _diverged(results)
        return
    factors = " × ".join(f"{name} ({', '.join(levels)})" for name, levels in found.factors.items())
    seeds = sorted({seed for cell in results.cells for seed in cell.seeds})
    pictures = {one.n_images for group in results.groups for one in group.intervals.values()}
    text = f"Best validation accuracy of {count(len(results.cells), 'cell')}"
    text += f": {factors}" if factors else ""
    text += f"; {_listed_seeds(seeds)}"
    if pictures:
        text += f"; {' or '.join(f'{n:,}' for n in sorted(pictures))} validation pictures"
    yield Text(f"{text}. The same in all runs: {_fixed(results)}.")
    yield Text(_how_to_read(results, seeds), "remark")
    yield from _diverged(results)
    if not found.is_complete:
        yield Text(
            "The grid is incomplete: effects are averaged over complete matched cells only, and "
            "missing runs may change every figure. The ledger names them.",
            "warning",
        )
    for warning in results.warnings:
        yield Text(f"Note: {warning}.", "warning")
    for loss in results.losses:
        yield Text(f"{loss[0].upper()}{loss[1:]}.", "warning")


def _diverged(results: Results) -> Iterator[Block]:
    """The cells of which nothing may be claimed, because runs of theirs came to no number."""
    cells = in_text.have_diverged(results)
    if cells:
        are = "cells hold" if len(cells) > 1 else "cell holds"
        text = (
            f"{len(cells):,} {are} runs that diverged, and so {'are' if len(cells) > 1 else 'is'} "
            f"not ranked and in no comparison: {_some(cells, MOST_ITEMS)}."
        )
        if any(cell.diverged for cell in results.cells):
            text += (
                " Where some seeds diverged, the mean over the others leaves out the worst and "
                "flatters."
            )
        yield Text(text, "warning")


def _all(results: Results) -> Iterator[Block]:
    yield Text(
        "Not all cells answered the same pictures. Only those that did can be paired, so the "
        "cells of each set of pictures are compared apart below."
    )
    yield tables.all_cells(results)
    yield from _left_out(len(results.cells), "cells", "cells.csv")


def _listed_seeds(seeds: Sequence[int]) -> str:
    if len(seeds) == 1:
        return f"one seed ({seeds[0]})"
    is_range = seeds == list(range(seeds[0], seeds[-1] + 1))
    listed = f"{seeds[0]} to {seeds[-1]}" if is_range else ", ".join(map(str, seeds))
    return f"{len(seeds)} seeds ({listed})"


def _fixed(results: Results) -> str:
    """The factors and the settings of note that have one value in all runs."""
    table = results.runs.table
    varied = {*results.runs.factors, *results.runs.searched}
    keys = params_of(table)
    sections = dict.fromkeys(key.partition(".")[0] for key in keys if "." in key)
    parts = []
    for key in dict.fromkeys([*FACTORS, *(name for name in sections if name in keys), *SETTINGS]):
        values = set(level_of(table, key))
        if key in keys and key not in varied and len(values) == 1:
            parts.append(f"{key} {values.pop()}")
    return ", ".join(parts)


def _how_to_read(results: Results, seeds: Sequence[int]) -> str:
    text = (
        "An accuracy is the share of validation pictures that a run classed right at its best "
        "epoch; a cell's is the mean over its seeds. Brackets hold 95 % intervals, "
    )
    if len(seeds) == 1:
        text += (
            "for new pictures on these weights only: with one seed, nothing can be said about "
            "other seeds. `-m seed=range(5)` would."
        )
    else:
        text += "for new seeds and new pictures alike."
    n_claims = max((g.comparison.n_claims for g in results.groups if g.comparison), default=0)
    if n_claims > 1:
        text += (
            f" Two things are told apart where p stays below 0.05 after Holm's correction for "
            f"all {n_claims:,} comparisons (effects, interactions and pairs of cells have equal "
            "shares in it)."
        )
    return text


def _answers(results: Results, group: Group, drawn: Pictures) -> Iterator[Block]:
    if not group.ranked:
        yield Text("In every cell runs diverged, so there is nothing that can be compared.")
        return
    if len(group.ranked) == 1:
        cell = group.ranked[0]
        name = f"{cell_name(cell.levels)}: " if cell.levels else ""
        yield Text(
            f"{name}{in_text.accuracy(cell, group)} %, {count(len(cell.seeds), 'seed')}. "
            "There is no other cell to compare it with."
        )
        return
    if group.comparison is None:
        yield Text("Without predictions, no difference between these cells can be judged.")
        return
    items = list(_effects_in_words(results, group.comparison.effects))
    items += _interactions_in_words(results, group.comparison.interactions)
    items.append(("best cell", _best_in_words(results, group)))
    yield Bullets(tuple(items))


def _effects_in_words(results: Results, claims: Sequence[LevelEffect]) -> Iterator[tuple[str, str]]:
    """Level by level; in one sentence where a factor with several levels changed nothing."""
    for factor, found in itertools.groupby(claims, key=lambda claim: claim.factor):
        effects = list(found)
        if len(effects) > 1 and all(claim.same == "predictions" for claim in effects):
            levels = ", ".join([effects[0].baseline, *(claim.level for claim in effects)])
            yield (
                factor,
                f"all its levels ({levels}) gave the same prediction on every picture in every "
                f"matched pair of cells: at these settings {factor} changed no prediction.",
            )
            continue
        for claim in effects:
            yield factor, _sentence(results, claim)


def _sentence(results: Results, claim: Claim) -> str:
    notes = [in_text.left_out(results, claim), tuning_note(results, claim)]
    return "; ".join([in_words(claim, results.config.difference), *filter(None, notes)]) + "."


def _interactions_in_words(
    results: Results, claims: Sequence[Interaction]
) -> Iterator[tuple[str, str]]:
    """Those that are told apart; the others in words too where they are few."""
    told = [claim for claim in claims if claim.told_apart]
    others = [claim for claim in claims if not claim.told_apart]
    told.sort(key=lambda claim: -abs(claim.found.difference))
    for claim in [*told[:MOST_IN_WORDS], *(others if len(others) <= FEW else [])]:
        yield in_text.claim_factors(claim), _sentence(results, claim)
    if len(told) > MOST_IN_WORDS:
        yield "interactions", f"{len(told) - MOST_IN_WORDS} more are told from none; see below."
    if len(others) > FEW:
        yield (
            "interactions",
            f"{len(others)} of {len(claims)} can't be told from none; they are in the table below.",
        )


def _best_in_words(results: Results, group: Group) -> str:
    first, *others = group.ranked
    start = f"{cell_name(first.levels)} ranks first with {in_text.accuracy(first, group)} %"
    if group.unranked or results.lost:
        start += " among the cells in which no run diverged"
    beside = tables.beside_anchor(group)
    if tables.anchor(group) != first.levels:
        reference = tables.anchor(group)
        assert reference is not None
        claim = beside.get(first.levels)
        open_one = claim is not None and not claim.told_apart
        ending = ", and can't be told apart from the reference" if open_one else ""
        return (
            f"{start}{ending}; with this many cells each is compared with one only, the reference "
            f"{cell_name(reference)}, which was not chosen by its result."
        )
    open_ones = [cell for cell in others if not _is_apart(beside.get(cell.levels))]
    if not open_ones:
        return f"{start}, and is told apart from every other cell."
    of = f"{len(open_ones)} of the {len(others)} others" if len(others) > 1 else "the other"
    names = _some(cell_name(cell.levels) for cell in open_ones)
    return f"{start}, and can't be told apart from {of}: {names}."


def _is_apart(claim: Claim | None) -> bool:
    return claim is not None and claim.told_apart


def _left_out(number: int, what: str, file: str) -> Iterator[Block]:
    if number > tables.MOST_ROWS:
        text = f"The first {tables.MOST_ROWS} of {number:,} {what}; `{file}` has all."
        yield Text(text, "remark")


def _some(names: Iterable[str], most: int = MOST_IN_WORDS) -> str:
    listed = list(names)
    more = f"; and {len(listed) - most:,} more" if len(listed) > most else ""
    return "; ".join(listed[:most]) + more
