"""Which cells stand in open comparisons."""

from pathlib import Path

from ablation.report.claims.questions import progress
from tests.report.made_up import Study
from tests.report.reading import results_of

ALL = {"transfer": ["full", "frozen", "scratch"]}


def test_a_cell_far_from_the_baseline_and_the_best_needs_no_more_seeds(tmp_path: Path) -> None:
    reached = {"full": 0.93, "frozen": 0.92, "scratch": 0.3}
    made = Study(ALL, lambda cell: reached[cell["transfer"]], seeds=(0, 1, 2, 3, 4))
    found = progress(results_of(tmp_path, made))
    assert found.cells == (("full",), ("frozen",))
    assert (found.n_settled, found.n_questions) == (1, 2)
    assert found.n_seeds == 5
    assert found.factors == ("transfer",)
    assert found.seconds


def test_cells_that_predict_the_same_are_settled(tmp_path: Path) -> None:
    made = Study(
        {"reg": ["l1", "l2"]}, lambda _: 120, seeds=(0, 1), seed_noise=0, alike=lambda _: "all"
    )
    found = progress(results_of(tmp_path, made))
    assert found.cells == ()
    assert (found.n_settled, found.n_questions) == (1, 1)
