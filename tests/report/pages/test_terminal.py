"""What the terminal shows."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from ablation.report.pages import terminal
from tests.report.made_up import Study
from tests.report.reading import by_transfer, results_of


@pytest.mark.parametrize("n_factors", [1, 2, 3, 5])
def test_the_terminal_s_table_fits_into_80_characters(tmp_path: Path, n_factors: int) -> None:
    axes = {
        "transfer": ["full", "frozen", "scratch"],
        "reg": ["l1", "elastic"],
        "optimizer": ["adam", "adamw"],
        "scheduler": ["constant", "cosine"],
        "batch_size": ["8", "16"],
    }
    made = Study(dict(list(axes.items())[:n_factors]), by_transfer)
    console = Console(width=80, soft_wrap=True, file=io.StringIO(), highlight=False)
    console.print(terminal.main_table(results_of(tmp_path, made)))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "elastic" in text or n_factors == 1
    assert "…" not in text
    table = [line for line in text.splitlines() if line.startswith(("│", "┃"))]
    assert table
    assert max(map(len, table)) <= 80
