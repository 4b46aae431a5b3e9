"""Scores against training time."""

import numpy as np

from ablation.report.claims.metric import ACCURACY, METRICS
from ablation.report.evidence.cells import Cell
from ablation.report.pages.drawing.courses import pareto_front, score_and_time


def cell(name: str, accuracy: float, seconds: float) -> Cell:
    """A cell of one seed."""
    reached = np.array([accuracy])
    return Cell(
        levels=(name,),
        seeds=(0,),
        run_ids=(name,),
        best=reached,
        last=reached,
        test=np.array([np.nan]),
        seconds=np.array([seconds]),
        parameters=np.array([np.nan]),
        memory=np.array([np.nan]),
        chosen={},
        tried=(),
    )


def test_the_pareto_front_holds_each_cell_that_no_other_beats_in_time_and_accuracy() -> None:
    cells = [cell("slow", 0.9, 30), cell("beaten", 0.7, 40), cell("fast", 0.8, 2)]
    assert [one.levels[0] for one in pareto_front(cells, ACCURACY)] == ["fast", "slow"]


def test_of_a_loss_the_front_holds_the_lowest() -> None:
    cells = [cell("slow", 0.3, 30), cell("beaten", 0.7, 40), cell("fast", 0.5, 2)]
    front = pareto_front(cells, METRICS["log_loss"])
    assert [one.levels[0] for one in front] == ["fast", "slow"]


def test_of_equally_fast_cells_only_the_best_is_on_the_front() -> None:
    cells = [cell("worse", 0.7, 2), cell("better", 0.8, 2)]
    assert [one.levels[0] for one in pareto_front(cells, ACCURACY)] == ["better"]


def test_times_far_apart_get_a_logarithmic_axis() -> None:
    near = score_and_time([cell("a", 0.8, 2), cell("b", 0.9, 4)], {}, {"reg": ("a", "b")}, ACCURACY)
    far = score_and_time(
        [cell("a", 0.8, 2), cell("b", 0.9, 400)], {}, {"reg": ("a", "b")}, ACCURACY
    )
    assert [figure.axes[0].get_xscale() for figure in (near, far)] == ["linear", "log"]


def test_colour_and_shape_show_transfer_first_and_then_the_next_factor() -> None:
    made = [cell("l1", 0.8, 2), cell("l2", 0.9, 4)]
    cells = [Cell(**{**one.__dict__, "levels": (*one.levels, "full")}) for one in made]
    factors = {"reg": ("l1", "l2"), "transfer": ("full", "frozen")}
    figure = score_and_time(cells, {}, factors, ACCURACY)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["transfer full", "reg l1", "reg l2"]
