"""The sections "Effects" and "Shares of variance": effects of levels, interactions of factors."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

from ablation.report.claims.claim import Claim, Interaction, LevelEffect
from ablation.report.claims.findings import Findings
from ablation.report.claims.results import Results
from ablation.report.claims.words import aliases
from ablation.report.pages.blocks import Block, PageFigure, Table, Text
from ablation.report.pages.claim_text import (
    claim_factors,
    claim_name,
    dagger,
    difference,
    verdict,
)
from ablation.report.pages.numbers import p_value, percent

#: Effects in a figure, and interactions on the page.
MOST_EFFECTS = 24

AnyClaim = TypeVar("AnyClaim", bound=Claim)


def effects(results: Results, group: Findings, figures: Sequence[PageFigure]) -> Iterator[Block]:
    """The effects against the baseline levels, then the interactions."""
    if group.comparison is None or not group.comparison.effects:
        return
    found, every = group.comparison.effects, group.comparison.interactions
    base = ", ".join(
        f"{factor} {level}"
        for factor, level in group.comparison.baseline.items()
        if any(claim.factor == factor for claim in found)
    )
    averaged = (
        "averaged over cells that are alike in all else"
        if found[0].fraction is None
        else "the mean over all cells with it minus that over all others"
    )
    yield Text(
        f"Main effects: each level against the baseline level ({base}), {averaged}. "
        "`report.baseline.FACTOR=LEVEL` sets another.",
        "remark",
    )
    yield effects_table(found)
    interactions = largest(every)
    if interactions:
        yield Text(
            "Interactions: how far an effect differs between two levels of another factor.",
            "remark",
        )
        yield effects_table(interactions)
    if len(interactions) < len(every):
        yield Text(
            f"The {len(interactions)} largest of {len(every)} interactions; `contrasts.csv` has "
            "all.",
            "remark",
        )
    note = dagger([*found, *interactions])
    if note:
        yield Text(note, "remark")
    yield from figures


def largest(claims: Sequence[AnyClaim]) -> list[AnyClaim]:
    """At most `MOST_EFFECTS` claims: different ones first, then the largest; in their order."""

    def rank(claim: AnyClaim) -> tuple[bool, float]:
        return claim.verdict != "different", -abs(claim.found.difference)

    kept = {id(claim) for claim in sorted(claims, key=rank)[:MOST_EFFECTS]}
    return [claim for claim in claims if id(claim) in kept]


def effects_table(claims: Sequence[LevelEffect | Interaction]) -> Table:
    """Effects or interactions with their interval, corrected p-value and verdict.

    Where effects are confounded with interactions of two factors, these have a column of their own.
    """
    rows: list[tuple[str, ...]] = [
        (
            claim_factors(claim),
            claim_name(claim),
            difference(claim),
            p_value(claim.corrected_p),
            verdict(claim),
            _averaged_over(claim),
            str(claim.found.n_runs),
        )
        for claim in claims
    ]
    kind = "pairs" if claims and isinstance(claims[0], LevelEffect) else "squares"
    of = "cells" if claims and claims[0].fraction is not None else f"matched {kind}"
    unit = (claims[0].rules.metric.unit if claims else "") or "difference"
    replicates = "folds" if claims and claims[0].found.n_folds else "seeds"
    header: tuple[str, ...]
    header = ("factor", "levels", unit, "corrected p", "verdict", of, replicates)
    align = "llrrlrr"
    confounded = [", ".join(aliases(claim)) for claim in claims]
    if any(confounded):
        header, align = (*header, "confounded with"), f"{align}l"
        rows = [(*row, names) for row, names in zip(rows, confounded, strict=True)]
    return Table(header, tuple(rows), align)


def _averaged_over(claim: LevelEffect | Interaction) -> str:
    if claim.fraction is not None:
        return str(claim.n_cells)
    if claim.matched == claim.possible:
        return str(claim.matched)
    return f"{claim.matched} of {claim.possible}"


def shares(results: Results, group: Findings, figures: Sequence[PageFigure]) -> Iterator[Block]:
    """The share of the variance of the runs' accuracies that each factor explains."""
    found = shares_table(group)
    if found is not None:
        yield Text(
            "How much of the variance of the runs' accuracies each factor explains, beyond what "
            "chance alone would give it.",
            "remark",
        )
        yield found
    elif len(group.cells) > 1 and all(len(cell.seeds) == 1 for cell in group.cells):
        yield Text(
            "Not given: with one seed, effects of factors can't be separated from those of chance."
        )
    elif len(group.cells) > 1:
        yield Text(
            "Not given: this needs every cell of the grid, with "
            f"{group.replicate}s that all cells share."
        )


def shares_table(group: Findings) -> Table | None:
    """A row for each source of variance; None with one seed, where chance can't be separated."""
    found = group.comparison.shares if group.comparison else None
    if not found or "seed" not in found:
        return None
    names = {"seed": group.replicate}
    rows = tuple((names.get(name, name), percent(share)) for name, share in found.items())
    return Table(("source", "share of variance, %"), rows, "lr")
