"""Which runs are the same run. The fingerprints of finished studies must never change."""

import json
from pathlib import Path

import pytest

from ablation.study import grid

#: Commands with the fingerprints of their runs, in order, as version 0.1.0 computed them.
PINNED = json.loads((Path(__file__).parent / "fingerprints.json").read_text())


@pytest.mark.parametrize("command", PINNED)
def test_the_fingerprints_of_finished_studies_stay_as_they_are(command: str) -> None:
    words = command.split()
    multirun = "-m" in words
    asked = grid.expand([word for word in words if word != "-m"], multirun=multirun)
    assert " ".join(run.fingerprint for run in asked.runs) == PINNED[command], (
        f"the fingerprints of `python -m ablation {command}` have changed: studies that finished "
        "with an earlier version would be trained again from the start. If a new key of the schema "
        "or another default is the cause, keep it out of the fingerprints of old configs"
    )


def test_a_path_is_part_of_a_run_only_where_it_is_swept() -> None:
    plain = grid.expand([], multirun=False).runs[0]
    other = grid.expand(["model.weights=other.pth"], multirun=False).runs[0]
    assert other.fingerprint == plain.fingerprint


@pytest.mark.parametrize(
    "same", ["device=cpu", "tracking.uri=sqlite:///x.db", "study=other", "cache.features=false"]
)
def test_a_fingerprint_ignores_what_cannot_change_the_result(same: str) -> None:
    plain = grid.expand([], multirun=False).runs[0]
    assert grid.expand([same], multirun=False).runs[0].fingerprint == plain.fingerprint


@pytest.mark.parametrize(
    "other", ["seed=1", "epochs=6", "reg=l1", "optimizer.lr=1e-4", "data.size=32"]
)
def test_a_fingerprint_tells_apart_what_can_change_the_result(other: str) -> None:
    plain = grid.expand([], multirun=False).runs[0]
    assert grid.expand([other], multirun=False).runs[0].fingerprint != plain.fingerprint
