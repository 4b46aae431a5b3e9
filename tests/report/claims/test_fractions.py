"""Claims on regular fractions of grids: what they estimate, and what they leave open."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from ablation.report.claims.claim import Comparison, Levels, Rules
from ablation.report.claims.comparison import compare
from ablation.report.claims.words import in_words
from ablation.study import fractions

FACTORS = ("transfer", "augment", "loss", "reg", "optimizer", "scheduler", "model", "decay")


def grid_of(
    n_factors: int, least: int | None = None
) -> tuple[dict[str, tuple[str, str]], list[Levels]]:
    """Factors with two levels each, and the cells of a fraction of all their combinations."""
    axes = {name: (f"{name[:3]}0", f"{name[:3]}1") for name in FACTORS[:n_factors]}
    return axes, list(fractions.levels(fractions.signs(n_factors, least), list(axes.values())))


def is_second(cell: Levels) -> NDArray[np.int64]:
    return np.array([int(level.endswith("1")) for level in cell])


def study(
    cells: list[Levels],
    share: Callable[[NDArray[np.int64]], float],
    seed: int,
    seeds: int = 3,
    pictures: int = 400,
) -> tuple[dict[Levels, NDArray[np.bool_]], dict[Levels, list[int]]]:
    """Right and wrong answers: pictures are hard or easy for all, runs differ by seed."""
    rng = np.random.default_rng(seed)
    hard = rng.normal(0, 0.08, pictures)
    tables = {}
    for cell in cells:
        of_seeds = rng.normal(0, 0.02, (seeds, 1))
        tables[cell] = rng.random((seeds, pictures)) < share(is_second(cell)) + hard + of_seeds
    return tables, {cell: list(range(seeds)) for cell in cells}


def judged(cells: list[Levels], axes: dict[str, tuple[str, str]], **rules: object) -> Comparison:
    tables, seeds = study(cells, lambda z: 0.7 + 0.1 * z[0] - 0.05 * z[1], 0)
    return compare(tables, list(axes), seeds, rules=Rules(**rules))  # type: ignore[arg-type]


def test_a_main_effect_is_the_mean_of_the_cells_with_a_level_minus_that_of_the_others() -> None:
    axes, cells = grid_of(4)
    tables, seeds = study(cells, lambda z: 0.7 + 0.1 * z[0], 0)
    found = compare(tables, list(axes), seeds)
    assert [effect.factor for effect in found.effects] == list(axes)
    for at, effect in enumerate(found.effects):
        sides = [
            np.mean(
                [table.mean() for cell, table in tables.items() if is_second(cell)[at] == level]
            )
            for level in (1, 0)
        ]
        assert effect.found.difference == pytest.approx(sides[0] - sides[1])
        assert (effect.matched, effect.possible, effect.n_cells) == (4, 4, 8)
        assert effect.same == ""
        assert "4 cells against 4 others" in in_words(effect)
        assert "matched" not in in_words(effect)
    assert found.fraction is not None
    assert found.fraction.resolution == 4


def test_of_confounded_interactions_nothing_is_claimed() -> None:
    assert judged(*reversed(grid_of(4))).interactions == ()
    axes, cells = grid_of(7)
    tables, seeds = study(cells, lambda z: 0.7, 0)
    found = compare(tables, list(axes), seeds)
    assert found.fraction is not None
    assert found.fraction.resolution == 4
    assert found.interactions == ()  # 7 factors in 16 cells: each has two others beside it.
    axes, cells = grid_of(6, 5)
    found = judged(cells, axes)
    assert len(found.interactions) == 15
    assert {claim.n_cells for claim in found.interactions} == {32}
    assert "over all 32 cells" in in_words(found.interactions[0])


def test_an_interaction_that_stands_alone_is_estimated_as_in_the_full_grid() -> None:
    axes, cells = grid_of(5)
    tables, seeds = study(cells, lambda z: 0.6 + 0.2 * z[0] * z[1], 1)
    found = compare(tables, list(axes), seeds)
    first = found.interactions[0]
    assert first.factors == ("transfer", "augment")
    corners = {
        corner: np.mean(
            [t.mean() for cell, t in tables.items() if tuple(is_second(cell)[:2]) == corner]
        )
        for corner in itertools.product((0, 1), repeat=2)
    }
    by_hand = corners[1, 1] - corners[0, 1] - corners[1, 0] + corners[0, 0]
    assert first.found.difference == pytest.approx(by_hand)
    assert first.verdict == "different"


def test_of_resolution_three_an_effect_names_the_interaction_that_it_may_be() -> None:
    axes, cells = grid_of(3)
    found = judged(cells, axes)
    assert found.interactions == ()
    assert "; it can't be told apart from the interaction augment × loss" in in_words(
        found.effects[0]
    )


def test_another_baseline_turns_the_sign_alone() -> None:
    axes, cells = grid_of(4)
    usual = judged(cells, axes)
    other = judged(cells, axes, baseline={"transfer": "tra1"})
    assert other.effects[0].found.difference == pytest.approx(-usual.effects[0].found.difference)
    assert (other.effects[0].level, other.effects[0].baseline) == ("tra0", "tra1")
    assert other.effects[1].found == usual.effects[1].found


def test_a_fraction_that_lacks_a_cell_gives_no_effect() -> None:
    axes, cells = grid_of(4)
    found = judged(cells[1:], axes)
    assert (found.effects, found.interactions) == ((), ())
    assert found.fraction is not None
    assert found.fraction.n_missing == 1
    assert len(found.contrasts) == 21


def test_cells_that_share_one_seed_only_give_no_effect() -> None:
    axes, cells = grid_of(4)
    tables, seeds = study(cells, lambda z: 0.7, 0)
    tables[cells[3]], seeds[cells[3]] = tables[cells[3]][:1], [0]
    found = compare(tables, list(axes), seeds)
    assert found.effects == ()
    tables[cells[3]], seeds[cells[3]] = study(cells, lambda z: 0.7, 0)[0][cells[3]][:2], [0, 1]
    found = compare(tables, list(axes), seeds)
    assert {effect.found.n_seeds for effect in found.effects} == {2}


def test_a_factor_of_no_word_is_judged_as_in_pairs() -> None:
    """Three factors in four cells, each trained with both levels of a fourth."""
    axes, cells = grid_of(3)
    crossed = [(*cell, level) for cell in cells for level in ("reg0", "reg1")]
    tables, seeds = study(crossed, lambda z: 0.7 + 0.1 * z[3], 2)
    found = compare(tables, [*axes, "reg"], seeds)
    effect = found.effects[3]
    pairs = [tables[(*cell, "reg1")].mean() - tables[(*cell, "reg0")].mean() for cell in cells]
    assert effect.found.difference == pytest.approx(np.mean(pairs))
    for cell in cells:
        tables[(*cell, "reg1")] = tables[(*cell, "reg0")]
    same = compare(tables, [*axes, "reg"], seeds).effects
    assert [claim.same for claim in same] == ["", "", "", "right"]


def test_main_effects_are_those_of_the_whole_grid_beside_interactions_of_two_factors() -> None:
    """Of resolution IV, interactions of two factors, however large, do not move a main effect."""
    main = np.array([0.08, -0.04, 0.0, 0.02])
    both = {(0, 1): 0.2, (1, 2): -0.12, (0, 3): 0.08}

    def share(z: NDArray[np.int64]) -> float:
        signs = 2 * z - 1
        pairs = sum(size * signs[i] * signs[j] for (i, j), size in both.items())
        return float(0.5 + main @ signs / 2 + pairs / 2)

    axes, cells = grid_of(4)
    found = np.array(
        [
            [effect.found.difference for effect in compare(tables, list(axes), seeds).effects]
            for tables, seeds in (study(cells, share, seed, 2, 150) for seed in range(60))
        ]
    )
    error = found.std(axis=0, ddof=1) / np.sqrt(len(found))
    assert np.abs((found.mean(axis=0) - main) / error).max() < 3.5
    assert error.max() < 0.004


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n_factors", "least", "seeds"), [(4, None, 3), (6, None, 3), (5, 5, 3), (8, None, 5)]
)
def test_intervals_of_effects_and_interactions_hold_the_truth(
    n_factors: int, least: int | None, seeds: int
) -> None:
    """Of 600 studies of each kind: coverage near 95 %, and no more than 5 % with a false claim."""
    rng = np.random.default_rng(n_factors)
    main = rng.choice([0.0, 0.03, -0.04], n_factors)
    pairs = dict.fromkeys(itertools.combinations(range(n_factors), 2), 0.0)
    for at in rng.choice(len(pairs), 3, replace=False):
        pairs[list(pairs)[at]] = 0.03

    def share(z: NDArray[np.int64]) -> float:
        signs = 2 * z - 1
        of_two = sum(size * signs[i] * signs[j] for (i, j), size in pairs.items())
        return float(0.6 + main @ signs / 2 + of_two / 4)

    axes, cells = grid_of(n_factors, least)
    names = list(axes)
    held: list[bool] = []
    n_false = 0
    n_studies = 600
    for seed in range(n_studies):
        found = compare(*_with_names(study(cells, share, seed, seeds, 300), names))
        claims = [
            *((claim, main[names.index(claim.factor)]) for claim in found.effects),
            *(
                (claim, pairs[names.index(claim.factors[0]), names.index(claim.factors[1])])
                for claim in found.interactions
            ),
        ]
        held += [claim.found.low <= truth <= claim.found.high for claim, truth in claims]
        n_false += any(claim.is_significant and truth == 0 for claim, truth in claims)
    coverage = float(np.mean(held))
    print(f"{n_factors} factors, {len(cells)} cells, {seeds} seeds: {coverage:.3f}", n_false)
    assert 0.935 <= coverage <= 0.98
    assert n_false / n_studies <= 0.065


def _with_names(
    made: tuple[dict[Levels, NDArray[np.bool_]], dict[Levels, list[int]]], names: list[str]
) -> tuple[dict[Levels, NDArray[np.bool_]], list[str], dict[Levels, list[int]]]:
    tables, seeds = made
    return tables, names, seeds
