"""What the report says of each check of the arms."""

import pytest

from ablation.report.evidence.integrity import Check
from ablation.report.pages.arms import checks_table


@pytest.mark.parametrize(
    ("check", "runs", "found"),
    [
        (Check("x", 3, 4), "3 of 4", "holds"),
        (Check("x", 0, 4), "0 of 4", "not recorded"),
        (Check("x", 0, 0), "–", "concerns no run"),
        (Check("x", 4, 4, warnings=("two kinds",)), "4 of 4", "note: two kinds"),
        (Check("x", 4, 4, breaches=("a", "b"), warnings=("c",)), "4 of 4", "BREACH: a; b"),
    ],
)
def test_a_check_is_told_in_a_row(check: Check, runs: str, found: str) -> None:
    assert checks_table([check]).rows == (("x", runs, found),)
