"""Forty mistakes that people make: each is told in one line, before anything is trained."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.mistakes import MISTAKES


@pytest.fixture(scope="module")
def told() -> dict[str, dict[str, Any]]:
    """All answers, from one process: each would take seconds to start."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.mistakes", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return {words + names: said for words, names, said in json.loads(done.stdout)}


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda one: one.words or "none")
def test_a_mistake_is_told_in_one_line_before_anything_is_trained(
    mistake: Any, told: dict[str, dict[str, Any]]
) -> None:
    said = told[mistake.words + mistake.names]
    assert said["code"] == 1, said
    assert mistake.names in said["err"]
    assert said["err"].startswith("error: ")
    assert "Traceback" not in said["out"] + said["err"]
    assert "epoch 1/" not in said["out"]
    assert not said["has_runs"]
    assert len(said["err"].strip().splitlines()) <= 12


def test_there_are_forty_mistakes() -> None:
    assert len(MISTAKES) >= 40
