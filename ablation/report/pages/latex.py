"""The tables that a paper prints, in LaTeX with booktabs: the ranking and the effects."""

from pathlib import Path

import pandas as pd

from ablation.report.pages.blocks import Page, Table

#: The file in the folder of a report.
NAME = "tables.tex"
#: The sections whose first table is printed, and the table's label.
SECTIONS = {"Ranking": "ranking", "Effects": "effects"}
HEAD = """\
% Needs \\usepackage{booktabs}. Written by ablation; \\input{tables} prints the tables.
"""
#: What LaTeX reads as commands, and signs that its fonts may lack.
_CODES = str.maketrans(
    {
        **{sign: f"\\{sign}" for sign in "&%$#_{}"},
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "\\": r"\textbackslash{}",
        "−": "$-$",
        "×": r"$\times$",
        "†": r"$^\dagger$",
        "–": "--",
        "±": r"$\pm$",
    }
)


def save(page: Page, folder: Path) -> None:
    """Write the tables of a report.

    Args:
        page: the report.
        folder: an existing one.
    """
    (folder / NAME).write_text(HEAD + "\n".join(_tables(page)), encoding="utf-8")


def _tables(page: Page) -> list[str]:
    found: dict[str, int] = {}
    texts = []
    for section in page.sections:
        tables = [block for block in section.blocks if isinstance(block, Table)]
        kind = next((one for one in SECTIONS if section.title.startswith(one)), None)
        if kind is None or not tables:
            continue
        found[kind] = found.get(kind, 0) + 1
        label = SECTIONS[kind] + (f"-{found[kind]}" if found[kind] > 1 else "")
        texts.append(as_latex(tables[0], f"{page.title}: {section.title.lower()}", label))
    return texts


def as_latex(table: Table, caption: str, label: str) -> str:
    """A table as a LaTeX float.

    Args:
        table: of a page.
        caption: below it.
        label: the part after "tab:".
    """
    header = [_escaped(name) for name in table.header]
    rows = [[_escaped(cell) for cell in row] for row in table.rows]
    # Two columns may have one name.
    frame = pd.DataFrame(rows, columns=range(len(header)), dtype=str)
    drawn = frame.style.hide(axis="index").format_index(
        lambda at: header[int(str(at))], axis="columns"
    )
    return drawn.to_latex(
        column_format=table.align,
        hrules=True,
        caption=_escaped(caption),
        label=f"tab:{label}",
        position="tbp",
        position_float="centering",
    )


def _escaped(text: str) -> str:
    return text.translate(_CODES)
