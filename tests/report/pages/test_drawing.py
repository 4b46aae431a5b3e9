"""What the figures of a report show."""

import numpy as np

from ablation.report.evidence.cells import Cell
from ablation.report.pages.drawing import accuracy_and_time, pareto_front, without_middle


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
        chosen={},
        tried=(),
    )


def test_the_pareto_front_holds_each_cell_that_no_other_beats_in_time_and_accuracy() -> None:
    cells = [cell("slow", 0.9, 30), cell("beaten", 0.7, 40), cell("fast", 0.8, 2)]
    assert [one.levels[0] for one in pareto_front(cells)] == ["fast", "slow"]


def test_of_equally_fast_cells_only_the_best_is_on_the_front() -> None:
    cells = [cell("worse", 0.7, 2), cell("better", 0.8, 2)]
    assert [one.levels[0] for one in pareto_front(cells)] == ["better"]


def test_times_far_apart_get_a_logarithmic_axis() -> None:
    near = accuracy_and_time([cell("a", 0.8, 2), cell("b", 0.9, 4)], {}, {"reg": ("a", "b")})
    far = accuracy_and_time([cell("a", 0.8, 2), cell("b", 0.9, 400)], {}, {"reg": ("a", "b")})
    assert [figure.axes[0].get_xscale() for figure in (near, far)] == ["linear", "log"]


def test_colour_and_shape_show_transfer_first_and_then_the_next_factor() -> None:
    made = [cell("l1", 0.8, 2), cell("l2", 0.9, 4)]
    cells = [Cell(**{**one.__dict__, "levels": (*one.levels, "full")}) for one in made]
    figure = accuracy_and_time(cells, {}, {"reg": ("l1", "l2"), "transfer": ("full", "frozen")})
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["transfer full", "reg l1", "reg l2"]


def test_a_long_name_loses_its_middle() -> None:
    assert without_middle("abcdefghij", longest=7) == "abc…hij"
    assert without_middle("abcdefg", longest=7) == "abcdefg"
