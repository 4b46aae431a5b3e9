"""What a report gathers: the study as it was asked for, and what could not be read."""

import re
import shutil
from pathlib import Path

import pytest

from ablation.config import ReportConfig
from ablation.errors import ConfigError
from ablation.report.claims.results import gather
from ablation.report.evidence.store import Stored
from ablation.tracking.store import connect
from tests.report.made_up import Study, store
from tests.report.reading import ARMS, by_transfer, results_of


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"baseline": {"optimizer.x": "1"}}, "no such factor; the study compares transfer, reg"),
        ({"baseline": {"reg": "l3"}}, "report.baseline.reg=l3: unknown level; choose from l1, l2"),
        ({"nuisance": ["optimizer.x"]}, "report.nuisance=[optimizer.x]: the study's runs have no"),
    ],
)
def test_what_the_study_does_not_have_is_refused(
    config: dict[str, object], words: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=re.escape(words)):
        results_of(tmp_path, Study(ARMS, by_transfer), **config)


def test_runs_whose_files_are_missing_are_named_with_the_reason(tmp_path: Path) -> None:
    made = Study(ARMS, by_transfer)
    client = connect(store(tmp_path, made))
    for folder in (tmp_path / "artifacts").iterdir():
        shutil.rmtree(folder)
    (loss,) = gather(Stored(client, made.name), ReportConfig()).losses
    assert loss.startswith("the predictions of 6 runs can't be read, so their cells have no ")
    assert loss.endswith("; and 3 more")


def test_the_study_is_small_where_its_probabilities_are_few(tmp_path: Path) -> None:
    found = results_of(tmp_path, Study(ARMS, by_transfer, seeds=(0, 1), n_test=40))
    assert found.n_probabilities == 6 * 2 * (153 + 40) * 2
    assert found.is_small
