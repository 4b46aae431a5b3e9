"""The tables of a report in LaTeX."""

import re
from pathlib import Path

from ablation import report
from ablation.config import ReportConfig
from ablation.report.evidence.store import Stored
from ablation.report.pages import latex
from ablation.report.pages.blocks import Table
from ablation.tracking import store as tracking
from tests.report.made_up import Study, store


def test_what_latex_would_read_as_commands_is_written_as_text() -> None:
    table = Table(("a_b", "points, %"), (("x & y", "−1.0 †"), ("50 %", "{#}")), "lr")
    text = latex.as_latex(table, "of a_b", "t")
    assert r"a\_b & points, \% \\" in text
    assert r"x \& y & $-$1.0 $^\dagger$ \\" in text
    assert r"50 \% & \{\#\} \\" in text
    assert r"\begin{tabular}{lr}" in text
    assert r"\caption{of a\_b}" in text
    assert r"\label{tab:t}" in text


def test_a_report_has_its_ranking_and_its_effects_in_latex_where_that_is_wanted(
    tmp_path: Path,
) -> None:
    axes = {"transfer": ["full", "frozen"], "reg": ["none", "l1"]}
    made = Study(axes, lambda cell: 0.9 if cell["transfer"] == "full" else 0.7, seeds=range(3))
    evidence = Stored(tracking.connect(store(tmp_path, made)), made.name)
    folder = tmp_path / "results"
    written = report.write(evidence, folder, ReportConfig())
    file = written.path.parent / latex.NAME
    assert not file.exists()
    report.write(evidence, folder, ReportConfig(), has_latex=True)
    text = file.read_text()
    assert text.count(r"\begin{table}") == 2
    assert r"\label{tab:ranking}" in text
    assert r"\label{tab:effects}" in text
    # As many columns in every row.
    for body in re.findall(r"\\toprule(.*?)\\bottomrule", text, re.S):
        assert len({line.count("&") for line in body.splitlines() if "&" in line}) == 1
    # A newer report has a newer table.
    file.write_text("old")
    report.write(evidence, folder, ReportConfig())
    assert file.read_text() == text
