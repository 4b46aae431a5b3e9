"""The report of a recipe with each of its parts left out, from the evidence of a real study."""

from pathlib import Path

import pandas as pd

from tests.conftest import ROOT, command

EVIDENCE = ROOT / "results" / "recipe" / "evidence.zip"


def test_each_part_is_judged_against_the_whole_recipe(tmp_path: Path) -> None:
    said = command(f"evidence={EVIDENCE}", cwd=tmp_path, module="ablation.report")
    assert said.code == 0, said.err
    folder = tmp_path / "results" / "recipe"
    text = (folder / "report.md").read_text()
    effects = pd.read_csv(folder / "contrasts.csv").query("kind == 'effect'")
    assert list(effects.factors) == [
        "transfer",
        "augment",
        "loss",
        "scheduler",
        "optimizer.trunk_lr_scale",
    ]
    # Cells that nobody asked for are not missing.
    assert "missing" not in text.partition("## Ledger")[0]
    assert "6 of the 32 combinations of all levels: too few to show factors in pairs." in text
    assert "of 16 matched" not in text
    assert not list((folder / "figures").glob("heat-*"))
    committed = (EVIDENCE.parent / "report.md").read_text()
    answers = committed.partition("## Answers")[2].partition("## Ranking")[0]
    assert answers in text, "the committed report is not what the code writes"
