"""Effects, interactions, and shares of variance."""

from pathlib import Path

import pytest

from ablation.report.pages.effects import shares_table
from tests.report.made_up import Study
from tests.report.reading import ARMS, LARGE, by_transfer, results_of


def test_one_seed_gets_no_shares_of_variance(tmp_path: Path) -> None:
    one = results_of(tmp_path / "one", Study(ARMS, by_transfer))
    assert shares_table(one.groups[0]) is None
    several = shares_table(results_of(tmp_path / "several", LARGE).groups[0])
    assert several is not None
    assert sum(float(share) for _, share in several.rows) == pytest.approx(100, abs=0.5)
