"""Rounds of seeds: when they end, and which grids they are."""

import itertools

import pytest

from ablation.errors import ConfigError
from ablation.study import grid, rounds
from ablation.study.rounds import Auto, Progress, ending, looks, products, seconds


@pytest.mark.parametrize(
    ("most", "expected"),
    [(20, (3, 5, 10, 20)), (10, (3, 5, 10)), (7, (3, 5, 7)), (3, (3,)), (40, (3, 5, 10, 20, 40))],
)
def test_the_last_look_is_at_the_most_seeds(most: int, expected: tuple[int, ...]) -> None:
    assert looks(most) == expected


@pytest.mark.parametrize(
    ("budget", "expected"), [("90s", 90), ("30m", 1800), ("2h", 7200), ("1.5h", 5400)]
)
def test_a_budget_is_a_time(budget: str, expected: float) -> None:
    assert seconds(budget) == expected


@pytest.mark.parametrize("budget", ["30", "soon", "-3m", "0m", "3 d"])
def test_what_is_no_time_is_refused(budget: str) -> None:
    with pytest.raises(ConfigError, match="takes seconds, minutes or hours"):
        seconds(budget)


AXES = {"a": ("1", "2", "3"), "b": ("x", "y")}


@pytest.mark.parametrize("wanted", range(64))
def test_any_cells_are_a_few_grids_without_overlap(wanted: int) -> None:
    every = list(itertools.product(*AXES.values()))
    cells = {cell for n, cell in enumerate(every) if wanted >> n & 1}
    found = list(products(cells, AXES))
    covered = [cell for one in found for cell in itertools.product(*one.values())]
    assert sorted(covered) == sorted(cells)
    assert len(found) <= 3


def test_all_cells_are_one_grid() -> None:
    assert list(products(list(itertools.product(*AXES.values())), AXES)) == [AXES]


AUTO = Auto((3, 5), budget=600)
OPEN = Progress(3, 1, 2, ("reg",), (("l1",), ("l2",)), seconds=10)


def test_rounds_go_on_while_questions_are_open_and_there_is_time() -> None:
    assert ending(AUTO, OPEN, spent=500, n_runs=4) == ""
    assert "the budget is spent" in ending(AUTO, OPEN, spent=580, n_runs=4)
    assert ending(Auto((3, 5), None), OPEN, spent=1e6, n_runs=400) == ""
    last = Progress(5, 1, 2, ("reg",), OPEN.cells, seconds=10)
    assert "5 seeds are the most" in ending(AUTO, last, spent=0, n_runs=0)
    done = Progress(5, 2, 2)
    assert ending(AUTO, done, spent=1e6, n_runs=0) == "settled with 5 seeds"


def test_the_first_round_has_three_seeds_of_each_cell_and_knows_its_looks() -> None:
    asked = grid.expand(["transfer=full,frozen", "seed=auto", "most=7", "budget=2h"], multirun=True)
    assert asked.axes["seed"] == ("0", "1", "2")
    assert asked.auto == Auto((3, 5, 7), 7200)
    fixed = grid.expand(["transfer=full,frozen", "seed=0,1,2"], multirun=True)
    assert [run.fingerprint for run in asked.runs] == [run.fingerprint for run in fixed.runs]
    assert fixed.auto is None


def test_a_further_round_has_new_seeds_of_the_open_cells_only() -> None:
    asked = grid.expand(
        ["transfer=full,frozen", "reg=l1,l2", "optimizer.lr=1e-3,1e-2", "seed=auto"], multirun=True
    )
    open_cells = (("full", "l1"), ("frozen", "l2"))
    found = Progress(3, 0, 3, ("transfer", "reg"), open_cells)
    parts = grid.round_of(asked, found, range(3, 5))
    runs = [run for part in parts for run in part.runs]
    assert {(r.varied["transfer"], r.varied["reg"], r.varied["seed"]) for r in runs} == {
        (*cell, seed) for cell in open_cells for seed in "34"
    }
    assert len(runs) == 8  # At both learning rates.
    every = grid.expand(
        ["transfer=full,frozen", "reg=l1,l2", "optimizer.lr=1e-3,1e-2", "seed=range(5)"],
        multirun=True,
    )
    assert {run.fingerprint for run in runs} < {run.fingerprint for run in every.runs}


@pytest.mark.parametrize(
    ("words", "multirun", "said"),
    [
        (["seed=auto"], False, "seed=auto: add -m"),
        (["reg=l1,l2", "seed=auto", "budget=soon"], True, "budget=soon: takes seconds"),
        (["reg=l1,l2", "seed=auto", "most=2"], True, "most=2: must be at least 3"),
        (["reg=l1,l2", "budget=3m"], True, "budget=3m: only with seed=auto"),
        (["reg=l1,l2", "seed=range(3)", "most=5"], True, "most=5: only with seed=auto"),
    ],
)
def test_what_does_not_go_together_is_refused(words: list[str], multirun: bool, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        grid.expand(words, multirun=multirun)


def test_the_words_of_fixed_seeds_stay_as_they_are() -> None:
    assert rounds.with_first_look(["seed=3", "reg=l1"]) == ["seed=3", "reg=l1"]
