"""Which cells a design trains, and that Hydra is given each of them once."""

import itertools
import math

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
        (["design=fractional", *RECIPE[:2]], "takes three factors or more with two levels each"),
        (["design=fractional", *RECIPE, "reg=none,l1,l2"], "reg has 3 levels; each factor has two"),
        (["design=fractional", *RECIPE, "seed=auto"], "not with seed=auto"),
        (
            ["design=fractional", *RECIPE, "design_resolution=4"],
            "design_resolution=4: of 3 factors only all 8 cells have it; half of them have "
            "resolution III",
        ),
        (["design=fractional", *RECIPE, "design_resolution=2"], "design_resolution=2"),
        (
            ["design=fractional", *RECIPE, "skip=[{transfer:scratch,loss:cross_entropy}]"],
            "skip and zip would leave 3 of its 4 cells, which would no longer be balanced",
        ),
        (
            ["design=fractional", *RECIPE, "zip=[[transfer,loss]]"],
            "skip and zip would leave 2 of its 4 cells",
        ),
    ],
)
def test_what_makes_no_design_is_refused(words: list[str], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        grid.expand(words, multirun=True)


FOUR = [*RECIPE, "reg=none,l2"]


@pytest.mark.parametrize(
    ("words", "n_cells", "told"),
    [
        (RECIPE, 4, "4 of 8 cells, resolution III; transfer is confounded with augment × loss"),
        (FOUR, 8, "8 of 16 cells, resolution IV; transfer × augment is confounded with loss × reg"),
        ([*FOUR, "optimizer=adam,sgd"], 16, "16 of 32 cells, resolution V; no main effect"),
        ([*FOUR, "optimizer=adam,sgd", "design_resolution=3"], 8, "8 of 32 cells, resolution III"),
    ],
)
def test_a_fraction_has_the_centre_and_says_what_it_cannot_tell_apart(
    words: list[str], n_cells: int, told: str
) -> None:
    asked = grid.expand([*words, "design=fractional", "seed=range(2)"], multirun=True)
    varied = [tuple(run.varied.values()) for run in asked.runs]
    assert len(varied) == len(set(varied)) == asked.n_runs == 2 * n_cells
    assert varied[0][:3] == ("full", "crop", "smoothing"), "the first levels come first"
    for levels in zip(*varied, strict=True):
        first, second = sorted(set(levels))
        assert levels.count(first) == levels.count(second), "each level is equally often"
    (note,) = asked.notes
    assert note.startswith(f"design=fractional: {told}")
    # What Hydra launches is what is planned.
    launched = [run.fingerprint for part in asked.launched for run in part.runs]
    assert launched == [run.fingerprint for run in asked.runs]


def test_what_is_searched_is_searched_in_each_cell_of_a_fraction() -> None:
    words = ["optimizer.lr=1e-4,1e-3,1e-2", "report.nuisance=[optimizer.lr]"]
    asked = grid.expand([*FOUR, *words, "design=fractional"], multirun=True)
    assert asked.n_runs == 8 * 3
    cells: dict[tuple[str, ...], set[str]] = {}
    for run in asked.runs:
        *cell, rate = run.varied.values()
        cells.setdefault(tuple(cell), set()).add(rate)
    assert len(cells) == 8
    assert all(len(rates) == 3 for rates in cells.values())
    assert asked.notes[0].startswith("design=fractional: 8 of 16 cells")


def test_a_rule_that_leaves_a_fraction_whole_is_kept() -> None:
    words = [*FOUR, "design=fractional"]
    rule = "skip=[{transfer:scratch,augment:crop,loss:smoothing,reg:none}]"
    assert grid.expand([*words, rule], multirun=True).n_runs == 8


def test_a_fraction_may_be_of_more_factors_than_all_cells_could_be_trained_of() -> None:
    axes = {f"f{at}": ("0", "1") for at in range(20)} | {"seed": ("0", "1", "2")}
    found = cells(list(designs.grids(axes, "fractional")))
    assert len(found) == 64 * 3


def test_a_resolution_without_a_fraction_changes_nothing() -> None:
    (note,) = grid.expand([*RECIPE, "design_resolution=4"], multirun=True).notes
    assert note.startswith("design_resolution=4 changes nothing")


GRID = ["transfer=full,scratch", "reg=none,l2sp,l2", "seed=range(2)"]


def varied(*words: str) -> list[tuple[str, ...]]:
    asked = grid.expand([*GRID, *words], multirun=True)
    found = [tuple(run.varied.values()) for run in asked.runs]
    assert len(found) == len(set(found)) == asked.n_runs
    # What Hydra launches is what is planned.
    launched = [
        (tuple(word.partition("=")[2].split(",")) for word in part.overrides[-len(part.axes) :])
        for part in asked.launched
    ]
    assert len(found) == sum(math.prod(map(len, values)) for values in launched)
    return found


@pytest.mark.parametrize(
    ("rules", "left_out"),
    [
        ("[{transfer:scratch,reg:l2sp}]", {("scratch", "l2sp")}),
        ("[{reg:l2sp}]", {("full", "l2sp"), ("scratch", "l2sp")}),
        ("[{transfer:scratch,reg:[l2sp,l2]}]", {("scratch", "l2sp"), ("scratch", "l2")}),
        ("[{reg:l2sp},{transfer:full,reg:none}]",
         {("full", "l2sp"), ("scratch", "l2sp"), ("full", "none")}),
    ],
)  # fmt: skip
def test_cells_that_fit_a_rule_are_left_out(rules: str, left_out: set[tuple[str, ...]]) -> None:
    every = {cell[:-1] for cell in varied()}
    found = varied(f"skip={rules}")
    assert {cell[:-1] for cell in found} == every - left_out
    assert len(found) == 2 * (6 - len(left_out))


def test_factors_that_are_zipped_go_together() -> None:
    words = ["optimizer.lr=1e-2,1e-3,1e-4", "zip=[[reg,optimizer.lr]]"]
    found = {(reg, rate) for _, reg, _, rate in varied(*words)}
    assert found == {("none", "0.01"), ("l2sp", "0.001"), ("l2", "0.0001")}


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("skip=[{transfr:scratch}]", "transfr is not compared (did you mean transfer?)"),
        ("skip=[{transfer:scrach}]", "transfer is not scrach in any cell (did you mean scratch?)"),
        ("skip=[transfer]", "skip: takes rules such as"),
        ("skip=[{transfer:[full,scratch]}]", "skip: leaves no cell"),
        ("zip=[[transfer,reg]]", "as many values of each; here transfer 2, reg 3"),
        ("zip=[transfer]", "zip: takes groups of axes such as"),
        ("zip=[[transfer,optimizer]]", "optimizer is not compared"),
    ],
)
def test_a_rule_that_fits_nothing_is_an_error(word: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        grid.expand([*GRID, word], multirun=True)
    assert said in str(error.value)
