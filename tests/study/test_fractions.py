"""Fractions of two-level grids, checked from their cells by another way than they were made."""

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from ablation.errors import ConfigError
from ablation.study import fractions
from ablation.study.fractions import fraction_of

#: Cells of the smallest fraction of a number of factors, by its resolution; Box, Hunter & Hunter
#: 2005, table 6.22, and for V Brouwer's bounds on codes.
SMALLEST = {
    3: {3: 4, 5: 8, 7: 8, 9: 16, 15: 16},
    4: {4: 8, 5: 16, 6: 16, 8: 16, 9: 32, 16: 32, 17: 64},
    5: {5: 16, 6: 32, 7: 64, 8: 64, 9: 128, 11: 128, 12: 256, 14: 256},
}


def resolution(signs: NDArray[np.int8]) -> int:
    """The least number of columns whose product is the same in all rows."""
    for length in range(1, signs.shape[1] + 1):
        for columns in itertools.combinations(range(signs.shape[1]), length):
            if abs(int(signs[:, columns].prod(axis=1).sum())) == len(signs):
                return length
    raise AssertionError("no product is the same in all rows")


def cells_of(signs: NDArray[np.int8]) -> list[tuple[str, ...]]:
    return list(fractions.levels(signs, [(f"{at}x", f"{at}y") for at in range(signs.shape[1])]))


def names(n: int) -> list[str]:
    return [chr(ord("A") + at) for at in range(n)]


@pytest.mark.parametrize("least", [None, 3, 4, 5])
@pytest.mark.parametrize("n_factors", range(3, 13))
def test_a_fraction_is_balanced_orthogonal_and_of_the_resolution_asked_for(
    n_factors: int, least: int | None
) -> None:
    if n_factors < (least or 0):
        with pytest.raises(ConfigError, match=f"design_resolution={least}: of {n_factors} factors"):
            fractions.signs(n_factors, least)
        return
    signs = fractions.signs(n_factors, least)
    whole = signs.astype(int)
    assert set(np.unique(signs)) == {-1, 1}
    assert len({tuple(row) for row in signs}) == len(signs) < 2**n_factors
    assert (signs[0] == -1).all(), "the cell of all first levels comes first"
    assert not whole.sum(axis=0).any(), "half of the cells have each level"
    assert (whole.T @ whole == len(signs) * np.eye(n_factors)).all()
    assert resolution(signs) >= (least or min(4, n_factors))
    if n_factors in SMALLEST[least or min(4, n_factors)]:
        assert len(signs) == SMALLEST[least or min(4, n_factors)][n_factors]
    found = fraction_of(cells_of(signs), names(n_factors))
    assert found is not None
    assert (found.n_cells, found.n_missing) == (len(signs), 0)
    assert found.resolution == resolution(signs)


@pytest.mark.parametrize("n_factors", [15, 16, 17, 26])
@pytest.mark.parametrize("least", [3, 4])
def test_many_factors_have_fractions_too(n_factors: int, least: int) -> None:
    signs = fractions.signs(n_factors, least)
    whole = signs.astype(int)
    assert (whole.T @ whole == len(signs) * np.eye(n_factors)).all()
    assert resolution(signs) >= least
    if n_factors in SMALLEST[least]:
        assert len(signs) == SMALLEST[least][n_factors]


@pytest.mark.parametrize(
    ("n_factors", "n_cells", "n_short_words"),
    # Of these sizes, the least number of words of four letters that is possible (Fries & Hunter).
    [(6, 16, 3), (7, 16, 7), (8, 16, 14), (9, 32, 6), (10, 32, 10), (11, 32, 25)],
)
def test_as_few_interactions_are_confounded_as_can_be(
    n_factors: int, n_cells: int, n_short_words: int
) -> None:
    signs = fractions.signs(n_factors, 4)
    assert len(signs) == n_cells
    words = [
        four
        for four in itertools.combinations(range(n_factors), 4)
        if abs(int(signs[:, four].prod(axis=1).sum())) == n_cells
    ]
    assert len(words) == n_short_words


@pytest.mark.parametrize(("n_factors", "least"), [(3, 3), (5, 3), (6, 4), (7, 4), (5, 5), (9, 3)])
def test_the_aliases_are_those_whose_columns_are_equal(n_factors: int, least: int) -> None:
    signs = fractions.signs(n_factors, least)
    found = fraction_of(cells_of(signs), names(n_factors))
    assert found is not None
    columns = {
        effect: signs[:, [names(n_factors).index(name) for name in effect]].prod(axis=1)
        for length in (1, 2)
        for effect in itertools.combinations(names(n_factors), length)
    }
    for effect, column in columns.items():
        alike = {
            other
            for other, its in columns.items()
            if other != effect and abs(int(column @ its.astype(int))) == len(signs)
        }
        assert set(found.aliases(effect)) == alike
    assert sorted(itertools.chain(*found.chains)) == sorted(columns)


def test_a_fraction_is_told_in_a_line() -> None:
    half = fraction_of(cells_of(fractions.signs(4)), names(4))
    assert half is not None
    assert fractions.told(half) == (
        "8 of 16 cells, resolution IV; A × B is confounded with C × D; A × C is confounded with "
        "B × D; A × D is confounded with B × C"
    )
    clear = fraction_of(cells_of(fractions.signs(5)), names(5))
    assert clear is not None
    assert fractions.told(clear) == (
        "16 of 32 cells, resolution V; no main effect or two-way interaction is confounded with "
        "another"
    )
    many = fraction_of(cells_of(fractions.signs(8)), names(8))
    assert many is not None
    assert fractions.told(many).endswith("; and 3 more such groups, which the report names")


def test_a_fraction_with_other_first_levels_is_the_same() -> None:
    cells = cells_of(fractions.signs(4))
    turned = [("x" if a.endswith("y") else "y", *rest) for a, *rest in cells]
    assert fraction_of(turned, names(4)) == fraction_of(cells, names(4))


def test_a_factor_with_one_level_does_not_count() -> None:
    cells = [("same", *cell) for cell in cells_of(fractions.signs(4))]
    assert fraction_of(cells, ["S", *names(4)]) == fraction_of(
        cells_of(fractions.signs(4)), names(4)
    )


def test_a_fraction_of_which_cells_are_missing_is_still_known() -> None:
    cells = cells_of(fractions.signs(4))
    for gone in range(1, 4):
        found = fraction_of(cells[gone:], names(4))
        assert found is not None
        assert (found.n_cells, found.n_missing, found.resolution) == (8, gone, 4)


@pytest.mark.parametrize(
    "cells",
    [
        list(itertools.product("xy", "uv", "st")),  # full
        list(itertools.product("xy", "uv", "st"))[1:],  # full but for one
        [("x", "u", "s"), ("y", "u", "s"), ("x", "v", "s"), ("x", "u", "t")],  # one at a time
        [("x", "u", "s"), ("x", "u", "t"), ("y", "v", "s"), ("y", "v", "t")],  # A and B go together
        [("x", "u"), ("y", "v")],
        [("x", "u", "s"), ("y", "v", "s"), ("z", "u", "t"), ("x", "v", "t")],  # three levels
        [("x", "u", "s")],
        [],
    ],
)
def test_other_cells_are_no_fraction(cells: list[tuple[str, ...]]) -> None:
    assert fraction_of(cells, ["A", "B", "C"][: len(cells[0]) if cells else 3]) is None
