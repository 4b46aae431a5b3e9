"""The section "Pictures that flip": right on one side of an effect, wrong on the other."""

from collections.abc import Iterator, Sequence

from ablation.report.claims.findings import Findings
from ablation.report.claims.results import Results
from ablation.report.claims.words import count
from ablation.report.pages.blocks import Block, PageFigure, Table, Text
from ablation.report.pages.claim_text import claim_name
from ablation.report.pages.numbers import percent

#: Effects whose pictures are listed.
MOST_EFFECTS = 6


def flips(results: Results, group: Findings, figures: Sequence[PageFigure]) -> Iterator[Block]:
    """A table for each effect against the baseline level."""
    shown = [one for one in group.sides if one.n_flips][:MOST_EFFECTS]
    if not shown:
        return
    yield Text(
        "Pictures that most runs with one level classify correctly and most with the baseline "
        "level don't, or the other way round, over all seeds and matched cells; the largest "
        "differences first.",
        "remark",
    )
    for one in shown:
        rows = tuple(
            (
                flip.picture,
                flip.label,
                percent(flip.share),
                percent(flip.baseline_share),
                flip.wrong,
            )
            for flip in one.flips
        )
        effect = one.effect
        header = (
            "picture", "true class", f"right with {effect.level}, %",
            f"right with {effect.baseline}, %", "else mostly taken for",
        )  # fmt: skip
        caption = f"{effect.factor}: {claim_name(effect)}, {count(one.n_flips, 'picture')}"
        if len(rows) < one.n_flips:
            caption += f", of which these {len(rows)} differ most"
        yield Table(header, rows, "llrrl", caption)
