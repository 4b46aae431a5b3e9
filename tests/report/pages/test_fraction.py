"""What a report says of a fraction of a grid."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pytest

from ablation.study import fractions
from tests.report.made_up import Study
from tests.report.reading import results_of, section, write

AXES = {
    "transfer": ["full", "frozen"],
    "augment": ["crop", "none"],
    "reg": ["none", "l2"],
    "optimizer": ["adam", "sgd"],
}
ADDS = {"frozen": -0.1, "l2": 0.06, "sgd": -0.03}


def fraction(
    n_factors: int, lost: int = 0, *, seeds: tuple[int, ...] = (0, 1, 2), planned: bool = True
) -> Study:
    """The smallest fraction of the first so many factors, less some of its cells."""
    axes = dict(list(AXES.items())[:n_factors])
    every = list(fractions.levels(fractions.signs(n_factors), list(axes.values())))
    left = set(every[lost:])

    def accuracy(cell: Mapping[str, str]) -> float:
        return 0.8 + sum(ADDS.get(level, 0) for level in cell.values())

    return Study(
        axes,
        accuracy,
        seeds=seeds,
        lost=lambda cell, seed: tuple(cell.values()) not in left,
        planned=planned,
    )


def test_the_report_of_a_fraction_claims_main_effects_and_names_what_is_confounded(
    tmp_path: Path,
) -> None:
    written, text = write(tmp_path, fraction(4), drawn=True)
    answers = section(text, "Answers")
    assert "full beats frozen by 10.0 points" in answers
    assert "l2 beats reg=none by 6.0 points" in answers
    assert "3 seeds, 153 pictures, 4 cells against 4 others" in answers
    assert "The cells are a fraction of the grid: 8 of 16 cells, resolution IV." in answers
    assert "| transfer × augment | reg × optimizer |" in answers
    assert "| transfer × optimizer | augment × reg |" in answers
    assert "interaction" not in section(text, "Effects")
    assert "8 of the 16 combinations of all levels" in section(text, "Pairs of factors")
    assert "matched" not in text.partition("## Answers")[2]
    page = written.path.with_suffix(".html").read_text()
    assert "reg × optimizer</td>" in page
    figures = {path.stem for path in (written.path.parent / "figures").glob("*.png")}
    assert {"effects", "estimation", "cells"} <= figures
    assert not {name for name in figures if name.startswith(("heat", "interactions"))}


def test_of_resolution_three_every_table_names_what_an_effect_may_be(tmp_path: Path) -> None:
    written, text = write(tmp_path, fraction(3))
    assert "| transfer | augment × reg |" in section(text, "Answers")
    assert "it can't be told apart from the interaction augment × reg" in section(text, "Answers")
    effects = section(text, "Effects")
    assert "| confounded with |" in effects
    table = pd.read_csv(written.path.parent / "contrasts.csv").query("kind == 'effect'")
    assert list(table.note.str.partition(";")[0]) == [
        "confounded with augment × reg",
        "confounded with transfer × reg",
        "confounded with transfer × augment",
    ]


def test_a_fraction_without_a_plan_is_told_from_its_cells(tmp_path: Path) -> None:
    """In it, each factor follows from all others, and must not be taken for none."""
    found = results_of(tmp_path, fraction(4, planned=False))
    assert set(found.factors) == set(AXES)
    (group,) = found.groups
    assert group.comparison is not None
    assert group.comparison.fraction is not None
    assert len(group.comparison.effects) == 4


def test_a_fraction_that_lacks_cells_says_so_and_claims_no_effect(tmp_path: Path) -> None:
    _, text = write(tmp_path, fraction(4, lost=1))
    answers = section(text, "Answers")
    assert "The cells are 7 of the 8 of a fraction of the grid" in answers
    assert "beats" not in answers
    assert "## Effects" not in text


@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_what_is_confounded_is_named_however_few_seeds_there_are(
    tmp_path: Path, seeds: tuple[int, ...]
) -> None:
    _, text = write(tmp_path, fraction(4, seeds=seeds))
    assert "| transfer × augment | reg × optimizer |" in section(text, "Answers")
    assert ("## Effects" in text) == (len(seeds) > 1)


def test_other_studies_have_no_word_of_it(tmp_path: Path) -> None:
    _, text = write(tmp_path, Study(AXES, lambda cell: 0.8, seeds=(0, 1)))
    assert "fraction of the grid" not in text
    assert "confounded" not in text
