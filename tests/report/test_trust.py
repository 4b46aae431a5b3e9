"""What a report says of runs that diverged, and of a factor that changed nothing."""

import io
import math
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from ablation.config import ReportConfig
from ablation.report.claims.claim import Interaction, LevelEffect
from ablation.report.claims.comparison import compare
from ablation.report.claims.results import gather
from ablation.report.claims.words import in_words
from ablation.report.evidence.store import Stored
from ablation.report.pages import terminal
from ablation.tracking import store as tracking
from tests.report.made_up import Study, store
from tests.report.reading import section, write

REGS = {"transfer": ["full", "frozen"], "reg": ["none", "l1", "l2"]}
WORDS = "diverged in epoch 2 at reg=l1, optimizer.lr=1 (training loss nan)"


def best_is_lost(cell: Mapping[str, str], seed: int) -> str:
    """One seed of three diverged in the cell whose other seeds are the best of all."""
    return WORDS if cell == {"transfer": "full", "reg": "l1"} and seed == 1 else ""


def by_reg(cell: Mapping[str, str]) -> float:
    return {"none": 0.7, "l1": 0.95, "l2": 0.6}[cell["reg"]]


def test_a_cell_in_which_a_seed_diverged_is_marked_unranked_and_in_no_claim(tmp_path: Path) -> None:
    made = Study(REGS, by_reg, seeds=(0, 1, 2), failed=best_is_lost)
    written, text = write(tmp_path, made)
    assert written.exit_code == 2
    assert "1 cell has runs that diverged" in text
    assert "full, l1 (1 of 3 seeds)" in text
    assert "leaves out the worst runs and is optimistic" in text
    ranking = section(text, "Ranking").splitlines()
    last = [line for line in ranking if line.startswith("|")][-1]
    assert re.match(r"\| – \| full \| l1 \| \d\d\.\d \| 2 \|  \| 1 of 3 seeds diverged: ", last)
    assert re.match(r"\| 1 \| frozen \| l1 \|", ranking[3])
    assert re.search(r"\| full \| .* \| \d\d\.\d \(1 of 3 seeds diverged\) \|", text)
    results = written.path.parent
    claims = pd.read_csv(results / "contrasts.csv")
    assert not claims["levels"].str.contains("(full, l1)", regex=False).any()
    effects = claims[claims["kind"] == "effect"].set_index("levels")
    assert "runs diverged in 1 cell with l1, which this leaves out" in effects.note["l1 − none"]
    assert not isinstance(effects.note["l2 − none"], str)
    assert "averaged over 1 of 2 matched pairs" in effects.in_words["l1 − none"]
    cells = pd.read_csv(results / "cells.csv").set_index(["transfer", "reg"])
    assert cells.n_diverged[("full", "l1")] == 1
    assert math.isnan(cells["rank"][("full", "l1")])
    assert math.isnan(cells.low[("full", "l1")])
    assert cells["rank"].dropna().tolist() == [1, 2, 3, 4, 5]
    runs = pd.read_csv(results / "runs.csv")
    assert runs["status"].value_counts().to_dict() == {"finished": 17, "diverged": 1}
    lost = runs[(runs["transfer"] == "full") & (runs["reg"] == "l1")]
    assert not lost["is_compared"].any()
    assert lost[lost["status"] == "diverged"]["error"].tolist() == [WORDS]


def test_the_terminal_says_first_what_diverged(tmp_path: Path) -> None:
    made = Study(REGS, by_reg, seeds=(0, 1, 2), failed=best_is_lost)
    client = tracking.connect(store(tmp_path, made))
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(terminal.main_table(gather(Stored(client, made.name), ReportConfig())))
    said = console.export_text()
    assert said.startswith("DIVERGED, and so not ranked: full, l1 (1 of 3 seeds).")
    assert "(1 of 3 seeds diverged)" in " ".join(said.split())


def test_nothing_is_compared_where_every_cell_lost_a_seed(tmp_path: Path) -> None:
    made = Study({"reg": ["l1", "l2"]}, lambda _: 0.9, seeds=(0, 1), failed=_first_seed)
    _, text = write(tmp_path, made, drawn=True)
    assert "Runs diverged in every cell, so there is nothing that can be compared." in text
    assert "beats" not in text
    assert "l1 (1 of 2 seeds); l2 (1 of 2 seeds)" in text


def _first_seed(cell: Mapping[str, str], seed: int) -> str:
    return WORDS if seed == 0 else ""


def test_where_all_diverged_there_is_nothing_to_compare_and_it_says_why(tmp_path: Path) -> None:
    made = Study({"reg": ["l1", "l2"]}, lambda _: 0.9, failed=_first_seed)
    written, text = write(tmp_path, made, drawn=True)
    assert "(INCOMPLETE: 0 of 2 runs finished, 2 diverged)" in text
    assert "l1 (its only run); l2 (its only run)" in text
    assert written.exit_code == 2


@pytest.mark.parametrize("planned", [True, False])
def test_a_searched_value_at_which_a_run_diverged_is_not_chosen(
    tmp_path: Path, planned: bool
) -> None:
    rates = ["1e-3", "1e-2", "1e-1", "1"]
    reached = {"1e-3": 0.6, "1e-2": 0.7, "1e-1": 0.9, "1": 0.95}

    def failed(cell: Mapping[str, str], seed: int) -> str:
        return WORDS if cell["optimizer.lr"] == "1" or (
            cell["optimizer.lr"] == "1e-1" and cell["reg"] == "l1" and seed == 0
        ) else ""  # fmt: skip

    made = Study(
        {"reg": ["l1", "l2"], "optimizer.lr": rates},
        lambda cell: reached[cell["optimizer.lr"]],
        seeds=(0, 1),
        failed=failed,
        planned=planned,
    )
    written, text = write(tmp_path, made, nuisance=["optimizer.lr"])
    told = section(text, "Searched settings")
    assert re.search(
        r"\| l1 \| 0\.01 \| \S+ \| 0\.001: \S+; 0\.1: \S+ \(1 of 2 seeds diverged\); 1: diverged",
        told,
    )
    assert re.search(r"\| l2 \| 0\.1 \| \S+ \| .*; 1: diverged \|", told)
    # The best lies within the range: what lies beyond was tried.
    assert "edge" not in told
    # No cell is lost: each has a value at which nothing diverged.
    assert "DIVERGED" not in text
    assert "has runs that diverged" not in text
    listed = pd.read_csv(written.path.parent / "runs.csv")
    lost = listed[listed["status"] == "diverged"]
    assert sorted(lost["optimizer.lr"].astype(float)) == [0.1, 1, 1, 1, 1]


def test_levels_at_which_all_diverged_are_told_apart_without_a_recorded_grid(
    tmp_path: Path,
) -> None:
    made = Study(
        {"optimizer.lr": ["1e-3", "1"]},
        lambda _: 0.8,
        failed=lambda cell, _: WORDS if cell["optimizer.lr"] == "1" else "",
        planned=False,
    )
    _, text = write(tmp_path, made)
    assert "1 (its only run)" in text
    assert "1 of 2 seeds" not in text


@pytest.mark.parametrize("metric", ["train/loss", "train/penalty", "val/loss"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_run_that_an_earlier_version_let_finish_is_no_result(
    tmp_path: Path, metric: str, value: float
) -> None:
    made = Study(
        {"reg": ["l1", "l2"]},
        by_reg,
        metrics=lambda cell, _: {metric: value} if cell["reg"] == "l1" else {},
    )
    written, text = write(tmp_path, made)
    assert (written.exit_code, written.is_complete) == (2, False)
    assert "l1 (its only run)" in text
    assert "though it was logged as finished" in section(text, "Ledger")
    assert "95.4" not in text


@pytest.mark.parametrize("share", ["", "nan", "inf"])
def test_a_run_whose_probabilities_are_not_finite_is_no_result(tmp_path: Path, share: str) -> None:
    made = Study({"reg": ["none", "l1"]}, by_reg, n_test=30, seeds=(0, 1), is_old=True)
    uri = store(tmp_path, made)
    client = tracking.connect(uri)
    found = gather(Stored(client, made.name), ReportConfig())
    lost = {cell.levels: cell.run_ids[0] for cell in found.cells}[("l1",)]
    file = tmp_path / "artifacts" / lost / "artifacts" / "predictions.csv"
    head, first, *rest = file.read_text().splitlines()
    file.write_text("\n".join([head, f"{first.rpartition(',')[0]},{share}", *rest]))
    found = gather(Stored(client, made.name), ReportConfig())
    assert [cell.diverged for cell in found.cells] == [(), (0,)]
    assert len(found.runs.ledger.diverged) == 1
    assert not found.runs.is_complete


# --- A factor that changed nothing


ALIKE = "gave the same prediction on every picture"


def test_levels_that_changed_no_prediction_are_called_that(tmp_path: Path) -> None:
    made = Study(
        {"transfer": ["full", "frozen"], "reg": ["l1", "l2"]},
        lambda cell: 140 if cell["transfer"] == "full" else 120,
        seeds=(0, 1),
        seed_noise=0,
        alike=lambda cell: cell["transfer"],
    )
    written, text = write(tmp_path, made)
    answers = section(text, "Answers")
    assert (
        f"l2 and l1 {ALIKE} in each of 2 matched pairs of cells, 2 seeds, 153 pictures: at these "
        "settings reg changed no prediction." in answers
    )
    assert "whichever transfer: there is no interaction to be seen" in answers
    (reg,) = [line for line in answers.splitlines() if line.startswith("- **reg**")]
    assert "open" not in reg
    assert "would settle" not in reg
    assert "frozen" not in reg
    claims = pd.read_csv(written.path.parent / "contrasts.csv")
    same = claims[claims["note"].fillna("").str.startswith("same predictions")]
    assert same["levels"].tolist() == [
        "l2 − l1",
        "(frozen − full) with l2, minus that with l1",
        "(full, l1) − (full, l2)",
        "(frozen, l1) − (frozen, l2)",
    ]
    assert "same predictions" in section(text, "Effects")


def test_a_factor_none_of_whose_levels_changed_anything_is_told_once(tmp_path: Path) -> None:
    made = Study(
        REGS, lambda _: 120, seeds=(0, 1), seed_noise=0, alike=lambda cell: cell["transfer"]
    )
    _, text = write(tmp_path, made)
    answers = section(text, "Answers")
    assert answers.count("- **reg**") == 1
    assert f"all its levels (none, l1, l2) {ALIKE} in every matched pair of cells" in answers


def test_the_arm_in_which_a_factor_changed_nothing_is_named(tmp_path: Path) -> None:
    made = Study(
        REGS,
        lambda _: 120,
        seeds=(0, 1),
        seed_noise=0,
        alike=lambda cell: "frozen" if cell["transfer"] == "frozen" else cell["reg"],
    )
    written, text = write(tmp_path, made)
    answers = section(text, "Answers")
    for line in [line for line in answers.splitlines() if line.startswith("- **reg**")]:
        assert "**: open: " in line or " are the same within " in line
        assert "with frozen, reg changed no prediction" in line
    claims = pd.read_csv(written.path.parent / "contrasts.csv").set_index("levels")
    assert claims.note["l2 − none"].startswith("same predictions with transfer frozen")


SEEDS = {(level,): (0, 1) for level in "abc"}


def test_right_on_the_same_pictures_is_less_than_the_same_predictions() -> None:
    right = np.array([[1, 1, 0, 0], [1, 0, 0, 1]], dtype=bool)
    cells = {(level,): right for level in "abc"}
    predicted = np.array([[0, 1, 2, 2], [0, 2, 2, 1]])
    other = predicted.copy()
    other[1, 2] = 0  # another wrong answer
    found = compare(
        cells,
        ["reg"],
        SEEDS,
        predicted={("a",): predicted, ("b",): predicted, ("c",): other},
    )
    assert {claim.level: claim.same for claim in found.effects} == {
        "b": "predictions",
        "c": "right",
    }
    by_level = {claim.level: in_words(claim) for claim in found.effects}
    assert by_level["b"] == (
        f"b and a {ALIKE}, 2 seeds, 4 pictures: at these settings reg changed no prediction"
    )
    assert by_level["c"] == (
        "c and a were right on the very same pictures, 2 seeds, 4 pictures; only their wrong "
        "predictions differ"
    )
    # Without the predictions no more is said than what is known.
    found = compare(cells, ["reg"], SEEDS)
    assert {claim.same for claim in found.effects} == {"right"}


def test_one_other_answer_in_one_seed_of_one_pair_is_a_difference() -> None:
    rng = np.random.default_rng(0)
    names = [(t, r) for t in ("x", "y", "z") for r in ("p", "q")]
    right = {cell: rng.random((2, 30)) < 0.5 for cell in names}
    for t, _ in names:
        right[t, "q"] = right[t, "p"].copy()
    seeds = dict.fromkeys(names, (0, 1))
    predicted = {cell: table.astype(int) for cell, table in right.items()}

    def effect() -> tuple[LevelEffect, list[Interaction]]:
        found = compare(right, ["transfer", "reg"], seeds, predicted=predicted)
        (of_reg,) = [claim for claim in found.effects if claim.factor == "reg"]
        return of_reg, list(found.interactions)

    of_reg, interactions = effect()
    assert (of_reg.same, of_reg.same_with) == ("predictions", ())
    assert {claim.idle for claim in interactions} == {"reg"}
    right["y", "q"][1, 7] ^= True
    predicted["y", "q"][1, 7] ^= 1
    of_reg, interactions = effect()
    assert of_reg.same == ""
    assert of_reg.same_with == (("transfer", "x"), ("transfer", "z"))
    assert {claim.levels[0]: claim.idle for claim in interactions} == {"y": "", "z": "reg"}


def test_cells_that_answer_alike_with_other_seeds_are_not_taken_for_the_same() -> None:
    table = np.array([[1, 0, 1, 1], [0, 0, 1, 1]], dtype=bool)
    cells = {("a",): table, ("b",): table[::-1]}
    found = compare(cells, ["reg"], {("a",): (0, 1), ("b",): (1, 0)}, predicted=_as_int(cells))
    assert found.effects[0].same == "predictions"
    found = compare(cells, ["reg"], {("a",): (0, 1), ("b",): (0, 1)}, predicted=_as_int(cells))
    assert found.effects[0].same == ""


def _as_int(
    cells: Mapping[tuple[str, ...], "np.ndarray"],  # type: ignore[type-arg]
) -> dict[tuple[str, ...], "np.ndarray"]:  # type: ignore[type-arg]
    return {cell: table.astype(int) for cell, table in cells.items()}
