"""What a report says of a regular fraction of a grid: its size, and what is confounded in it."""

from collections.abc import Iterator

from ablation.report.claims.findings import Findings
from ablation.report.pages.blocks import Block, Table, Text
from ablation.report.pages.numbers import listed
from ablation.study.fractions import Fraction, effect_name

#: Rows of the table of aliases.
MOST_ROWS = 40

#: Resolution → what main effects and interactions of two factors are confounded with.
_MEANINGS = {
    3: (
        "A main effect can't be told apart from the interactions that it is confounded with: it "
        "holds as far as these are small."
    ),
    4: (
        "No main effect is confounded with another or with an interaction of two factors, but "
        "some of these interactions are with each other: of those nothing is claimed. "
        "`design_resolution=5` or the full grid tells them apart."
    ),
    5: (
        "No main effect and no interaction of two factors is confounded with another; with those "
        "of three factors and more they may be."
    ),
}


def sentence(group: Findings) -> Iterator[Text]:
    """Which fraction a group's cells are, and what follows for its claims; nothing for others."""
    found = group.comparison.fraction if group.comparison else None
    if group.comparison is None or found is None:
        return
    if found.n_missing:
        yield Text(
            f"The cells are {found.n_cells - found.n_missing} of the {found.n_cells} of a fraction "
            f"of the grid ({found.size}). It is not balanced without the others, so the report "
            "gives only effects of levels whose cells are there in pairs.",
            "warning",
        )
        return
    text = f"The cells are a fraction of the grid: {found.size}. {_meaning(found)}"
    if group.comparison.contrasts and not group.comparison.effects:
        text += f" Effects need two {group.replicate}s that all its cells share."
    yield Text(text)


def _meaning(found: Fraction) -> str:
    return _MEANINGS[min(found.resolution, max(_MEANINGS))]


def aliases(group: Findings) -> Iterator[Block]:
    """Which main effects and interactions of two factors are confounded with each other."""
    found = group.comparison.fraction if group.comparison else None
    if found is None or found.n_missing:
        return
    alone = [effect_name(chain[0]) for chain in found.chains if len(chain) == 1]
    if found.confounded:
        rows = tuple(
            (effect_name(chain[0]), ", ".join(map(effect_name, chain[1:])))
            for chain in found.confounded[:MOST_ROWS]
        )
        n_more = len(found.confounded) - len(rows)
        yield Table(
            ("effect", "confounded with"),
            rows,
            "ll",
            "What these cells can't tell apart, of main effects and interactions of two factors"
            + (f"; and {n_more} more" if n_more else ""),
        )
    if alone:
        yield Text(
            "Confounded with no main effect and no interaction of two factors: "
            f"{listed(alone, MOST_ROWS)}.",
            "remark",
        )
