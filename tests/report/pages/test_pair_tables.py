"""Accuracy by two factors as text."""

from pathlib import Path

import numpy as np
import pytest

from ablation.report.claims.metric import ACCURACY
from ablation.report.claims.pair_tables import Entry
from ablation.report.pages.pair_tables import entry_text, pair_name, pair_table
from tests.report.made_up import Study
from tests.report.reading import ARMS, LARGE, by_transfer, results_of


def test_a_cell_without_runs_is_missing_in_its_table(tmp_path: Path) -> None:
    made = Study(
        ARMS, by_transfer, lost=lambda cell, _: cell == {"transfer": "scratch", "reg": "l2"}
    )
    (pair,) = results_of(tmp_path, made).groups[0].first_pair
    assert pair_table(pair, ACCURACY).rows[-1][-1] == "missing"


def test_a_table_is_named_by_its_factors_and_what_is_fixed_or_averaged(tmp_path: Path) -> None:
    (group,) = results_of(tmp_path, LARGE).groups
    assert [pair_name(pair) for pair in (*group.first_pair, *group.other_pairs)] == [
        "transfer × reg, optimizer adam",
        "transfer × reg, optimizer sgd",
        "transfer × optimizer; mean over 2 combinations of the other factors",
        "reg × optimizer; mean over 3 combinations of the other factors",
    ]


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        (Entry(0.9, 0.85, 0.94), "90.0 [85.0, 94.0]"),
        (Entry(0.9), "90.0"),
        (Entry(0.9, n_diverged=1, n_seeds=3), "90.0 (1 of 3 seeds diverged)"),
        (Entry(np.nan), "diverged"),
    ],
)
def test_an_entry_says_what_is_known_of_its_cell(entry: Entry, text: str) -> None:
    assert entry_text(entry) == text
