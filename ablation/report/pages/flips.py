"""The section "Pictures that flip": right on one side of an effect, wrong on the other."""

from collections.abc import Iterator, Mapping, Sequence

from PIL import Image

from ablation.figures.style import BLACK, ORANGE
from ablation.figures.tiles import Tile, sheet
from ablation.pictures.decode import Pixels
from ablation.report.claims.findings import Findings
from ablation.report.claims.results import Results
from ablation.report.claims.sides import Flip, Sides
from ablation.report.claims.words import count
from ablation.report.pages.blocks import Block, PageFigure, Table, Text
from ablation.report.pages.claim_text import claim_name
from ablation.report.pages.numbers import percent

#: Effects whose pictures are listed.
MOST_EFFECTS = 6
#: Pictures in a row of a sheet.
COLUMNS = 8


def flips(results: Results, group: Findings, figures: Sequence[PageFigure]) -> Iterator[Block]:
    """A table for each effect against the baseline level."""
    shown = [one for one in group.sides if one.n_flips][:MOST_EFFECTS]
    if not shown:
        return
    cells = "matched" if shown[0].effect.fraction is None else "all"
    yield Text(
        "Pictures that most runs with one level classify correctly and most with the baseline "
        "level don't, or the other way round, over all seeds and "
        f"{cells} cells; the largest differences first.",
        "remark",
    )
    drawn = {figure.name: figure for figure in figures}
    for number, one in enumerate(shown, 1):
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
        yield from (figure for name, figure in drawn.items() if name.startswith(sheet_name(number)))


def sheet_name(number: int) -> str:
    """Of the sheet of the effect with this number, from 1."""
    return f"flips-{number:02}"


def flips_sheet(one: Sides, originals: Mapping[str, Pixels]) -> Image.Image:
    """The pictures of an effect: those that the level gets right, then those that it gets wrong.

    Args:
        one: the effect.
        originals: the pictures that can be read, by name.
    """
    effect = one.effect
    shown = [flip for flip in one.flips if flip.picture in originals]

    def tiles(flips: Sequence[Flip]) -> list[Tile]:
        return [
            Tile(originals[flip.picture], ((flip.label, BLACK), (f"✗ {flip.wrong}", ORANGE)))
            for flip in flips
        ]

    gained = [flip for flip in shown if flip.share > flip.baseline_share]
    lost = [flip for flip in shown if flip.share < flip.baseline_share]
    groups = [
        (f"right with {effect.level}, wrong with {effect.baseline}", tiles(gained)),
        (f"right with {effect.baseline}, wrong with {effect.level}", tiles(lost)),
    ]
    title = f"{effect.factor}: {effect.level} against {effect.baseline}"
    note = "below each: its class, and what the worse side mostly took it for"
    return sheet(title, note, [group for group in groups if group[1]], COLUMNS)
