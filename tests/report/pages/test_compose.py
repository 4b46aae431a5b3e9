"""What a report says, to a person with the pages and to a script with the exit code."""

import itertools
import re
import subprocess
import sys
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from unittest import mock

import pytest
from rich.console import Console

from ablation import report
from ablation.config import ReportConfig
from ablation.errors import ConfigError
from ablation.report import Written
from ablation.report import __main__ as command
from ablation.report.evidence.store import Stored
from ablation.report.pages import figures
from ablation.tracking import store as tracking
from tests import conftest
from tests.report.made_up import Study, store


def write(
    folder: Path, made: Study, *, drawn: bool = False, **config: object
) -> tuple[Written, str]:
    """The report of a study, and its text; without figures where a test looks at none."""
    client = tracking.connect(store(folder / "store", made))
    asked = ReportConfig(**config)  # type: ignore[arg-type]
    draw = figures.draw if drawn else lambda results: [{} for _ in results.groups]
    with mock.patch("ablation.report.figures.draw", draw):
        written = report.write(Stored(client, made.name), folder / "results", asked)
    return written, written.path.read_text()


def section(text: str, title: str) -> str:
    return text.split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_146_and_142_of_153_pictures_with_one_seed_can_not_be_told_apart(tmp_path: Path) -> None:
    right = {"l1": 146, "l2": 142}
    made = Study({"reg": ["l1", "l2"]}, lambda cell: right[cell["reg"]])
    written, text = write(tmp_path, made)
    answers = section(text, "Answers")
    assert "l1 and l2 can't be told apart: 2.6 points" in answers
    assert "on these weights" in answers
    assert "beats" not in text
    assert "95.4 [90.9, 97.8]" in text
    assert "with one seed, nothing can be said about other seeds" in text
    assert "Not given: with one seed" in section(text, "Shares of variance")
    assert written.exit_code == 0


def test_a_large_difference_is_told_with_its_interval_and_its_size(tmp_path: Path) -> None:
    made = Study(
        {"transfer": ["frozen", "scratch"]},
        lambda cell: 0.9 if cell["transfer"] == "frozen" else 0.6,
        seeds=range(5),
    )
    _, text = write(tmp_path, made, baseline={"transfer": "scratch"})
    assert re.search(
        r"frozen beats scratch by 3\d\.\d points \[\d+\.\d, \d+\.\d\], 5 seeds, 153 pictures", text
    )
    assert "learning rate fixed, not tuned" in section(text, "Answers")
    assert "frozen − scratch" in section(text, "Effects")


def test_an_incomplete_grid_is_marked_in_the_title_and_every_lost_run_is_named(
    tmp_path: Path,
) -> None:
    made = Study(
        {"transfer": ["full", "frozen"], "reg": ["l1", "l2"]},
        lambda _: 0.9,
        seeds=(0, 1),
        lost=lambda cell, seed: cell == {"transfer": "full", "reg": "l2"} and seed == 1,
        failed=lambda cell, seed: (
            "OSError: disk <full> | 1"
            if cell == {"transfer": "full", "reg": "l1"} and seed == 0
            else ""
        ),
        running=lambda cell, seed: cell == {"transfer": "frozen", "reg": "l2"} and seed == 0,
    )
    written, text = write(tmp_path, made)
    assert text.startswith("# made-up (INCOMPLETE: 5 of 8 runs finished)\n")
    ledger = section(text, "Ledger")
    assert "| 8 | 5 | 0 | 1 | 1 | 1 | 0 |" in ledger
    assert r"| full-l1-s0 | OSError: disk \<full\> \| 1 |" in ledger
    assert "| transfer=full, reg=l2 | 1 |" in ledger
    assert "Running: frozen-l2-s0." in ledger
    assert written.exit_code == 2
    assert not written.is_complete


def test_a_breach_stands_at_the_top_in_red_and_makes_the_exit_code_2(tmp_path: Path) -> None:
    made = Study(
        {"transfer": ["full", "frozen"]},
        lambda _: 0.9,
        tags=lambda cell, _: {"frozen_digest_after": "0"} if "frozen" in cell.values() else {},
    )
    written, text = write(tmp_path, made)
    assert text.splitlines()[2].startswith("> 🔴 **BREACH: a frozen weight or buffer changed")
    html = written.path.with_suffix(".html").read_text()
    assert html.index('class="breach"') < html.index("<section>")
    assert (written.exit_code, written.is_complete) == (2, True)


@pytest.mark.parametrize(
    ("lost", "words"),
    [
        (
            "predictions.*",
            "The predictions of 1 run can't be read, so their cells have no interval",
        ),
        ("test_predictions.*", "Predictions of pictures held back or the history of 1 run can't"),
        ("history.csv", "Predictions of pictures held back or the history of 1 run can't be read"),
    ],
)
def test_what_can_not_be_read_is_told_with_its_place_and_makes_the_exit_code_2(
    tmp_path: Path, lost: str, words: str
) -> None:
    made = Study({"reg": ["l1", "l2"]}, lambda _: 0.9, n_test=40)
    uri = store(tmp_path / "store", made)
    evidence = Stored(tracking.connect(uri), made.name)
    (run,) = [run for run in evidence.runs if run.name == "l2-s0"]
    folder = tmp_path / "store" / "artifacts" / run.id / "artifacts"
    for path in folder.glob(lost):
        path.unlink()
    written = report.write(evidence, tmp_path / "results", ReportConfig())
    assert (written.exit_code, written.is_complete, written.breaches) == (2, True, ())
    text = written.path.read_text().replace("\\", "")
    assert f"⚠️ {words}" in text
    assert f"l2-s0 (there is no {lost.replace('*', 'parquet')}" in text
    assert str(folder) in text
    shown = Console(record=True, width=10_000)
    shown.print(written.main_table)
    assert f"MISSING: {words[0].lower()}{words[1:]}" in shown.export_text()


def test_pictures_held_back_are_told_beside_the_best_epoch(tmp_path: Path) -> None:
    made = Study({"reg": ["l1", "l2"]}, lambda _: 0.9, seeds=(0, 1), n_test=60)
    _, text = write(tmp_path, made)
    told = section(text, "Selection of the epoch")
    assert "60 pictures that were held back and looked at once" in told
    assert "That the first figure was optimistic can't be told: the difference is" in told
    made = Study({"reg": ["l1"]}, lambda _: 0.9, seeds=range(5), n_test=300, optimism=0.3)
    _, text = write(tmp_path / "other", made)
    assert "The first figure was optimistic by" in section(text, "Selection of the epoch")


def test_without_pictures_held_back_best_and_last_epoch_stand_side_by_side(tmp_path: Path) -> None:
    _, text = write(tmp_path, Study({"reg": ["l1", "l2"]}, lambda _: 0.9))
    told = section(text, "Selection of the epoch")
    assert "so its accuracy flatters" in told
    assert "| cell | best epoch, % | last epoch, % |" in told


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


def test_one_run_alone_and_no_run_at_all_are_told_plainly(tmp_path: Path) -> None:
    _, text = write(tmp_path / "one", Study({}, lambda _: 0.9))
    assert "There is no other cell to compare it with." in section(text, "Answers")
    made = Study({"reg": ["l1", "l2"]}, lambda _: 0.9, failed=lambda *_: "ValueError: no")
    written, text = write(tmp_path / "none", made)
    assert "No run has finished" in text
    assert written.exit_code == 2


def test_the_report_says_how_it_was_made(tmp_path: Path) -> None:
    _, text = write(tmp_path, Study({"reg": ["l1", "l2"]}, lambda _: 0.9))
    made = section(text, "How this was made")
    for fact in ("python -m ablation -m reg=l1,l2 seed=0", "c" * 40, "torch 2.13.0", "d" * 64):
        assert fact in made


def test_every_table_of_the_markdown_is_whole_and_every_figure_is_there(tmp_path: Path) -> None:
    made = Study(
        {"transfer": ["full", "frozen"], "reg": ["l1", "l2"], "optimizer": ["adam", "sgd"]},
        lambda _: 0.9,
        seeds=(0, 1),
    )
    written, text = write(tmp_path, made, drawn=True)
    lines = text.splitlines()
    for before, line in itertools.pairwise(lines):
        if before.startswith("|") and line.startswith("|"):
            assert len(re.findall(r"(?<!\\)\|", before)) == len(re.findall(r"(?<!\\)\|", line))
    shown = re.findall(r"\]\((figures/[^)]+)\)", text)
    assert len(shown) >= 7
    assert {f"figures/{path.name}" for path in (written.path.parent / "figures").iterdir()} == set(
        shown
    )


def test_names_can_not_break_out_of_the_pages(tmp_path: Path) -> None:
    made = Study(
        {"reg": ["l1", "l2"]},
        lambda _: 0.9,
        failed=lambda cell, _: "<script>alert(1)</script> *_`x`" if cell["reg"] == "l1" else "",
    )
    written, text = write(tmp_path, made)
    assert r"\<script\>" in text
    assert "<script" not in written.path.with_suffix(".html").read_text()


class Links(HTMLParser):
    """Every address that a page refers to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in ("src", "href")]


def test_the_html_refers_to_nothing_outside_itself(tmp_path: Path) -> None:
    written, _ = write(tmp_path, Study({"reg": ["l1", "l2"]}, lambda _: 0.9), drawn=True)
    html = written.path.with_suffix(".html").read_text()
    links = Links(html).found
    assert len(links) > 2
    assert all(link.startswith("data:") for link in links)
    assert "@import" not in html
    assert "url(" not in html


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"baseline": {"transfer": "ful"}}, "report.baseline.transfer=ful: unknown level; choose"),
        ({"baseline": {"tranfer": "full"}}, "report.baseline.tranfer: no such factor"),
        ({"nuisance": ["optimizer.rate"]}, "report.nuisance=[optimizer.rate]"),
    ],
)
def test_a_baseline_or_nuisance_that_is_not_there_is_refused(
    tmp_path: Path, config: dict[str, object], words: str
) -> None:
    made = Study({"transfer": ["full", "frozen"]}, lambda _: 0.9)
    with pytest.raises(ConfigError, match=re.escape(words)):
        write(tmp_path, made, **config)


# --- The command


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["ablation.report", *arguments])
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_the_command_works_in_any_folder_from_the_store_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = Study({"transfer": ["full", "scratch"]}, lambda _: 0.9)
    uri = store(tmp_path / "store", made)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    asked = ["study=made-up", f"tracking.uri={uri}", "report.baseline.transfer=scratch"]
    assert run(monkeypatch, *asked, "results=out") == 0
    said = capsys.readouterr().out
    assert "Report: out/made-up/report.md" in said
    assert "full − scratch" in Path("out/made-up/report.md").read_text()
    assert sorted(path.name for path in Path("out/made-up").iterdir()) == [
        "cells.csv", "contrasts.csv", "evidence.zip", "figures", "report.html", "report.md",
        "runs.csv",
    ]  # fmt: skip


def test_the_command_says_by_its_exit_code_that_runs_are_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Study({"reg": ["l1", "l2"]}, lambda _: 0.9, lost=lambda cell, _: cell["reg"] == "l2")
    uri = store(tmp_path, made)
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, "study=made-up", f"tracking.uri={uri}") == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["study=other", "tracking.uri={uri}"], "has no such study; it has made-up"),
        (["tracking.uri={uri}"], "study is not set"),
        ([], "study is not set"),
        (["study=made-up", "--multirun"], "unrecognized arguments: --multirun"),
        (["study=made-up", "report.nuisanse=[]"], "did you mean report.nuisance?"),
        (["study=made-up", "tracking.uri=sqlite:///nowhere.db"], "there is no such file"),
        (["study=made-up", "report.difference=2"], "report.difference=2.0: must be"),
    ],
)
def test_a_mistake_in_the_command_gets_one_clear_message(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
) -> None:
    uri = store(tmp_path, Study({"reg": ["l1", "l2"]}, lambda _: 0.9))
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, *(text.format(uri=uri) for text in arguments)) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert words in said
    assert not (tmp_path / "nowhere.db").exists()


def test_help_and_a_mistake_are_answered_without_loading_mlflow_or_torch(tmp_path: Path) -> None:
    said = conftest.command("--help", cwd=tmp_path, module="ablation.report")
    assert said.code == 0
    assert "study=NAME" in said.out
    probe = (
        "import sys; sys.argv = ['x', 'study=a', 'epoch=1']\n"
        "from ablation.report.__main__ import main\n"
        "try: main()\n"
        "except SystemExit as e: print(e.code, [m for m in ('torch', 'mlflow', 'pandas') "
        "if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "1 []"
    assert "it takes study, report.baseline" in done.stderr
