"""The cell that the ranking is set beside, and the differences from it."""

from pathlib import Path

from tests.report.made_up import Study
from tests.report.reading import ARMS, by_transfer, results_of


def test_few_cells_are_compared_with_the_first_of_the_ranking(tmp_path: Path) -> None:
    (group,) = results_of(tmp_path, Study(ARMS, by_transfer, seeds=(0, 1))).groups
    first = group.ranked[0]
    assert group.anchor == first.levels
    assert set(group.beside_anchor) == {cell.levels for cell in group.ranked[1:]}
    for levels, claim in group.beside_anchor.items():
        assert (claim.a, claim.b) == (levels, first.levels)
        assert claim.found.difference <= 0


def test_many_cells_are_compared_with_the_reference(tmp_path: Path) -> None:
    rates = [f"{rate}e-4" for rate in range(1, 6)]
    made = Study({**ARMS, "optimizer.lr": rates}, by_transfer, seeds=(0, 1), n_pictures=40)
    (group,) = results_of(tmp_path, made).groups
    assert group.anchor == ("full", "l1", "0.0001")
    assert len(group.beside_anchor) == 29


def test_a_single_cell_has_nothing_beside_it(tmp_path: Path) -> None:
    (group,) = results_of(tmp_path, Study({}, lambda _: 0.9)).groups
    assert group.anchor is None
    assert not group.beside_anchor
    assert group.first_pair == group.other_pairs == ()
    assert group.optimism is None
