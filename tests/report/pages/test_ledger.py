"""Every run that did not finish is named."""

from pathlib import Path

from ablation.report.pages.ledger import missing
from tests.report.made_up import Study
from tests.report.reading import ARMS, by_transfer, results_of, section, write


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


def test_missing_runs_are_listed_by_cell_with_their_seeds(tmp_path: Path) -> None:
    made = Study(
        ARMS, by_transfer, lost=lambda cell, _: cell == {"transfer": "scratch", "reg": "l2"}
    )
    table = missing(results_of(tmp_path, made).runs.ledger)
    assert table.rows == (("transfer=scratch, reg=l2", "0"),)
