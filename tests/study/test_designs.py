"""Which cells a design trains, and that Hydra is given each of them once."""

import itertools

import pytest

from ablation.errors import ConfigError
from ablation.study import designs, grid

RECIPE = ["transfer=full,scratch", "augment=crop,none", "loss=smoothing,cross_entropy"]
AXES = {"a": ("1", "2"), "b": ("x", "y", "z"), "seed": ("0", "1")}


def cells(grids: list[dict[str, tuple[str, ...]]]) -> list[tuple[str, ...]]:
    return [cell for one in grids for cell in itertools.product(*one.values())]


def test_the_full_design_is_every_combination() -> None:
    assert cells(list(designs.grids(AXES, "full"))) == list(itertools.product(*AXES.values()))


def test_one_at_a_time_every_cell_differs_from_the_centre_in_one_axis() -> None:
    found = cells(list(designs.grids(AXES, "one_at_a_time")))
    wanted = {("1", "x"), ("2", "x"), ("1", "y"), ("1", "z")}
    assert sorted(found) == sorted((*cell, seed) for cell in wanted for seed in ("0", "1"))
    assert found[0] == ("1", "x", "0"), "the centre comes first, as the baseline of every factor"


@pytest.mark.parametrize("design", ["leave_one_out", "add_one_in"])
def test_a_recipe_has_one_cell_more_than_parts(design: str) -> None:
    asked = grid.expand([*RECIPE, f"design={design}", "seed=range(2)"], multirun=True)
    varied = [tuple(run.varied.values()) for run in asked.runs]
    assert len(varied) == len(set(varied)) == asked.n_runs == 8
    assert {cell[:-1] for cell in varied} == {
        ("full", "crop", "smoothing"),
        ("scratch", "crop", "smoothing"),
        ("full", "none", "smoothing"),
        ("full", "crop", "cross_entropy"),
    }
    # What Hydra launches is what is planned.
    launched = [run.fingerprint for part in asked.launched for run in part.runs]
    assert launched == [run.fingerprint for run in asked.runs]
    for part in asked.launched:
        swept = itertools.product(*part.axes.values())
        assert [tuple(run.varied.values()) for run in part.runs] == list(swept)


def test_a_run_is_the_same_whichever_design_it_is_part_of() -> None:
    full = {run.fingerprint for run in grid.expand(RECIPE, multirun=True).runs}
    some = {
        run.fingerprint for run in grid.expand([*RECIPE, "design=add_one_in"], multirun=True).runs
    }
    assert some < full


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["design=leave_one_out", "transfer=full,scratch"], "takes two factors or more"),
        (["design=leave_one_out", *RECIPE[:2], "reg=none,l1,l2"], "reg has 3 levels; each part"),
        (["design=add_one_in", *RECIPE, "seed=auto"], "not with seed=auto"),
        (["design=some", *RECIPE], "design=some: choose from full, one_at_a_time"),
        (["design=full,add_one_in", *RECIPE], "changes no run's result"),
    ],
)
def test_what_makes_no_design_is_refused(words: list[str], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        grid.expand(words, multirun=True)
