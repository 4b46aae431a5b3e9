"""The tables of a report: cells, pairs of factors, effects, the choice of the epoch, the files."""

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from ablation.config import ReportConfig
from ablation.report.claims.claim import Claim
from ablation.report.claims.results import Results, gather
from ablation.report.claims.statistics import Components, Contrast
from ablation.report.evidence.store import Stored
from ablation.report.pages import csv_files, tables, terminal, text
from ablation.report.pages.pairs import average_accuracies, first_pair, other_pairs
from ablation.tracking import store as tracking
from tests.report.made_up import Study, store

ARMS = {"transfer": ["full", "frozen", "scratch"], "reg": ["l1", "l2"]}
REACHED = {"full": 0.93, "frozen": 0.90, "scratch": 0.65}


def by_transfer(cell: Mapping[str, str]) -> float:
    return REACHED[cell["transfer"]]


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Three ways of transfer, two regularizers, two optimizers; three seeds; pictures held back."""
    made = Study({**ARMS, "optimizer": ["adam", "sgd"]}, by_transfer, seeds=(0, 1, 2), n_test=80)
    return found(tmp_path_factory.mktemp("grid"), made)


def found(folder: Path, made: Study, **config: object) -> Results:
    client = tracking.connect(store(folder, made))
    return gather(Stored(client, made.name), ReportConfig(**config))  # type: ignore[arg-type]


def test_cells_are_ranked_by_their_mean_and_not_by_their_best_seed(tmp_path: Path) -> None:
    def lucky(cell: Mapping[str, str], seed: int) -> Mapping[str, float]:
        reached = (0.99, 0.5, 0.5) if cell["reg"] == "l1" else (0.8, 0.8, 0.8)
        return {"best_val_accuracy": reached[seed]}

    made = Study({"reg": ["l1", "l2"]}, lambda _: 0.8, seeds=(0, 1, 2), metrics=lucky, files=False)
    results = found(tmp_path, made)
    assert [cell.levels for cell in results.groups[0].ranked] == [("l2",), ("l1",)]


def test_there_is_a_table_of_transfer_and_reg_for_each_optimizer(grid: Results) -> None:
    first = first_pair(grid, grid.groups[0])
    assert [pair.name for pair in first] == [
        "transfer × reg, optimizer adam",
        "transfer × reg, optimizer sgd",
    ]
    for pair in first:
        assert (pair.rows, pair.columns) == (("full", "frozen", "scratch"), ("l1", "l2"))
        assert len(pair.entries) == 6


def test_the_other_pairs_are_means_over_matched_cells(grid: Results) -> None:
    (group,) = grid.groups
    pairs = {pair.factors: pair for pair in other_pairs(grid, group)}
    assert set(pairs) == {("transfer", "optimizer"), ("reg", "optimizer")}
    entry = pairs["transfer", "optimizer"].entries["full", "sgd"]
    cells = [cell.mean for cell in group.cells if cell.levels[::2] == ("full", "sgd")]
    assert entry.mean == pytest.approx(np.mean(cells))
    assert entry.low < entry.mean < entry.high


def test_an_average_over_cells_that_are_equal_has_their_interval() -> None:
    right = np.random.default_rng(0).random((4, 200)) < 0.9
    (one,) = average_accuracies([[right]])
    (two,) = average_accuracies([[right, right]])
    assert one == two
    assert one.mean == pytest.approx(right.mean())
    assert 0.02 < one.high - one.low < 0.12


def test_a_cell_without_runs_is_missing_in_its_table(tmp_path: Path) -> None:
    made = Study(
        ARMS, by_transfer, lost=lambda cell, _: cell == {"transfer": "scratch", "reg": "l2"}
    )
    results = found(tmp_path, made)
    (pair,) = first_pair(results, results.groups[0])
    assert pair.as_table().rows[-1][-1] == "missing"
    assert tables.missing(results).rows == (("transfer=scratch, reg=l2", "0"),)


def test_contrasts_across_transfers_say_that_the_learning_rate_was_not_tuned(
    grid: Results,
) -> None:
    comparison = grid.groups[0].comparison
    assert comparison is not None
    marked = {claim.factor: text.verdict(grid, claim).endswith("†") for claim in comparison.effects}
    assert marked == {"transfer": True, "reg": False, "optimizer": True}
    assert text.dagger(grid, comparison.effects) == "† learning rate fixed, not tuned."


def test_with_a_searched_learning_rate_nothing_has_to_be_said_of_it(tmp_path: Path) -> None:
    axes = {"transfer": ["full", "frozen"], "optimizer.lr": ["1e-4", "1e-3", "1e-2"]}
    results = found(tmp_path, Study(axes, by_transfer), nuisance=["optimizer.lr"])
    comparison = results.groups[0].comparison
    assert comparison is not None
    assert not text.dagger(results, comparison.effects)


def test_one_seed_gets_no_shares_of_variance(grid: Results, tmp_path: Path) -> None:
    one = found(tmp_path, Study(ARMS, by_transfer))
    assert tables.shares(one.groups[0]) is None
    several = tables.shares(grid.groups[0])
    assert several is not None
    assert sum(float(share) for _, share in several.rows) == pytest.approx(100, abs=0.5)


def test_the_optimism_of_the_best_epoch_is_told_with_its_interval(grid: Results) -> None:
    optimism = tables.optimism(grid, grid.groups[0])
    assert optimism is not None
    assert optimism.n_pictures == 80
    cells = grid.cells
    gap = np.mean([cell.mean for cell in cells]) - np.mean([cell.test.mean() for cell in cells])
    assert optimism.difference.startswith(f"{100 * gap:.1f} points [")


def test_the_files_hold_every_run_cell_and_claim(tmp_path: Path) -> None:
    made = Study(
        ARMS,
        by_transfer,
        seeds=(0, 1),
        lost=lambda cell, seed: cell["reg"] == "l2" and seed == 1,
        failed=lambda cell, seed: "ValueError: no" if cell["transfer"] == "full" and seed else "",
    )
    results = found(tmp_path / "store", made)
    csv_files.save(results, tmp_path)
    runs = pd.read_csv(tmp_path / "runs.csv")
    assert runs.status.value_counts().to_dict() == {"finished": 8, "missing": 3, "failed": 1}
    assert runs.error.dropna().tolist() == ["ValueError: no"]
    assert set(runs.transfer) == {"full", "frozen", "scratch"}
    cells = pd.read_csv(tmp_path / "cells.csv")
    assert len(cells) == 6
    assert (cells.low < cells.best_val_accuracy).all()
    assert (cells.best_val_accuracy < cells.high).all()
    claims = pd.read_csv(tmp_path / "contrasts.csv")
    assert claims.kind.value_counts().to_dict() == {"cells": 15, "effect": 3, "interaction": 2}
    assert claims.in_words.notna().all()


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
    console.print(terminal.main_table(found(tmp_path, made)))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "elastic" in text or n_factors == 1
    assert "…" not in text
    table = [line for line in text.splitlines() if line.startswith(("│", "┃"))]
    assert table
    assert max(map(len, table)) <= 80


def test_the_baseline_is_the_level_that_was_asked_for_first_also_where_its_cells_are_missing(
    tmp_path: Path,
) -> None:
    made = Study(ARMS, by_transfer, lost=lambda cell, _: cell == {"transfer": "full", "reg": "l1"})
    comparison = found(tmp_path, made).groups[0].comparison
    assert comparison is not None
    assert comparison.baseline == {"transfer": "full", "reg": "l1"}


@pytest.mark.parametrize(
    ("found", "text"),
    [
        ((0.0261, -0.0098, 0.0621), "+2.6 [-1.0, 6.2]"),
        ((-0.0001, -0.02, 0.01), "0.0 [-2.0, 1.0]"),
        ((0.0006, 0.0002, 0.0301), "+0.06 [0.02, 3.01]"),
        ((0.0, -0.0002, 0.0002), "0.00 [-0.02, 0.02]"),
    ],
)
def test_a_difference_is_never_rounded_into_another_claim(
    found: tuple[float, float, float], text: str
) -> None:
    figures = dict(zip(("difference", "low", "high"), found, strict=True))
    parts = Components(seed=None, picture=0.1, residual=None)
    contrast = Contrast(
        **figures, p_value=0.5, n_seeds=1, n_images=9, confidence=0.95, components=parts
    )
    assert text.difference(Claim(found=contrast, corrected_p=0.5, n_claims=1)) == text
