"""Write the report of a made-up study, and read it."""

import sys
from collections.abc import Mapping
from pathlib import Path
from unittest import mock

import pytest

from ablation import report
from ablation.config import ReportConfig
from ablation.report import Written
from ablation.report import __main__ as command
from ablation.report.claims.results import Results, gather
from ablation.report.evidence.store import Stored
from ablation.report.pages import figures
from ablation.tracking.store import connect
from tests.report.made_up import Study, store


def write(
    folder: Path, made: Study, *, drawn: bool = False, **config: object
) -> tuple[Written, str]:
    """The report of a study, and its Markdown; with figures only where `drawn` asks for them."""
    client = connect(store(folder / "store", made))
    asked = ReportConfig(**config)  # type: ignore[arg-type]
    draw = figures.draw if drawn else lambda results: [{} for _ in results.groups]
    with mock.patch("ablation.report.pages.figures.draw", draw):
        written = report.write(Stored(client, made.name), folder / "results", asked)
    return written, written.path.read_text()


def results_of(folder: Path, *made: Study, **config: object) -> Results:
    """What the report of a study is made from, whose runs may be made up in several parts."""
    client = connect(store(folder, *made))
    return gather(Stored(client, made[0].name), ReportConfig(**config))  # type: ignore[arg-type]


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The exit code of `python -m ablation.report ARGUMENTS`, run in this process."""
    monkeypatch.setattr(sys, "argv", ["ablation.report", *arguments])
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


def content(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def section(text: str, title: str) -> str:
    """The part of a report's Markdown under a title."""
    return text.split(f"\n## {title}\n")[1].split("\n## ")[0]


#: Three ways of transfer and two regularizers, and the accuracy that each transfer reaches.
ARMS = {"transfer": ["full", "frozen", "scratch"], "reg": ["l1", "l2"]}


def by_transfer(cell: Mapping[str, str]) -> float:
    return {"full": 0.93, "frozen": 0.90, "scratch": 0.65}[cell["transfer"]]


#: The same with two optimizers, three seeds, and pictures held back.
LARGE = Study({**ARMS, "optimizer": ["adam", "sgd"]}, by_transfer, seeds=(0, 1, 2), n_test=80)
