"""Which searched value won in each cell."""

import re
from pathlib import Path

from tests.report.made_up import Study
from tests.report.reading import section, write


def test_the_report_says_which_searched_value_won_and_warns_at_the_edge(tmp_path: Path) -> None:
    best = {"l1": "1e-2", "l2": "1e-1"}
    made = Study(
        {"reg": ["l1", "l2"], "optimizer.lr": ["1e-3", "1e-2", "1e-1"]},
        lambda cell: 0.9 if cell["optimizer.lr"] == best[cell["reg"]] else 0.7,
    )
    _, text = write(tmp_path, made, nuisance=["optimizer.lr"])
    told = section(text, "Searched settings")
    assert "In 1 cell the best value lies on the edge of the searched range: l2." in told
    assert re.search(r"\| l1 \| 0\.01 \| .*\|  \|", told)
    assert re.search(r"\| l2 \| 0\.1 \| .*on the edge of the range: optimizer\.lr \|", told)


def test_a_setting_that_was_to_be_searched_and_never_varied_is_told(tmp_path: Path) -> None:
    _, text = write(tmp_path, Study({"reg": ["l1", "l2"]}, lambda _: 0.9), nuisance=["epochs"])
    assert "epochs was to be searched and has one value in all runs" in text
