"""`design=fractional`, from the words of a command to its report, and to one from its evidence."""

from pathlib import Path

import pandas as pd

from tests.conftest import command

WORDS = [
    "-m", "design=fractional", "transfer=frozen", "augment=crop_flip,none",
    "loss=cross_entropy,smoothing", "reg=none,l2", "optimizer=adam,sgd", "seed=range(2)",
    "data.train_pictures=24", "data.val_pictures=20", "data.size=32", "epochs=1",
]  # fmt: skip
NOTE = (
    "note: design=fractional: 8 of 16 cells, resolution IV; augment × loss is confounded with "
    "reg × optimizer"
)


def test_half_of_a_grid_is_trained_and_its_report_names_what_it_cannot_tell(tmp_path: Path) -> None:
    plan = command(*WORDS, "plan=true", cwd=tmp_path)
    assert plan.code == 0, plan.err
    assert NOTE in plan.out
    assert "16 runs: 16 missing" in plan.out
    said = command(*WORDS, cwd=tmp_path)
    assert said.code == 0, said.err
    assert NOTE in said.out
    folder = tmp_path / "results" / "digits-augment-loss-reg-optimizer"
    cells = pd.read_csv(folder / "cells.csv")
    assert len(cells) == 8
    assert ("crop_flip", "cross_entropy", "none", "adam") in set(
        zip(cells.augment, cells.loss, cells.reg.fillna("none"), cells.optimizer, strict=True)
    )
    text = (folder / "report.md").read_text()
    assert "INCOMPLETE" not in text
    answers = text.partition("## Answers")[2].partition("## Ranking")[0]
    assert "The cells are a fraction of the grid: 8 of 16 cells, resolution IV." in answers
    assert "| augment × loss | reg × optimizer |" in answers
    claims = pd.read_csv(folder / "contrasts.csv")
    effects = claims.query("kind == 'effect'")
    assert list(effects.factors) == ["augment", "loss", "reg", "optimizer"]
    assert "interaction" not in set(claims.kind)
    accuracy = cells.groupby("augment").score.mean()
    assert abs(effects.difference.iloc[0] - (accuracy["none"] - accuracy["crop_flip"])) < 1e-9

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    again = command(f"evidence={folder / 'evidence.zip'}", cwd=elsewhere, module="ablation.report")
    assert again.code == 0, again.err
    copy = elsewhere / "results" / folder.name / "report.md"
    assert answers in copy.read_text()
