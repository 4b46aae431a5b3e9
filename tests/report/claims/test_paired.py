"""Pictures on which both of two runs were right, or one of them."""

from pathlib import Path

from tests.report.made_up import Study
from tests.report.reading import ARMS, by_transfer, results_of


def test_every_pair_of_one_seed_has_its_pictures(tmp_path: Path) -> None:
    (group,) = results_of(tmp_path, Study(ARMS, by_transfer)).groups
    assert len(group.paired) == 15
    for pair in group.paired:
        right = [group.right[cell][0] for cell in (pair.a, pair.b)]
        assert pair.both + pair.only_a == right[0].sum()
        assert pair.both + pair.only_b == right[1].sum()
        assert pair.both + pair.only_a + pair.only_b + pair.neither == 153
        assert pair.seed == 0
    assert sum(pair.n_factors == 1 for pair in group.paired) == 9


def test_several_seeds_have_claims_instead(tmp_path: Path) -> None:
    (group,) = results_of(tmp_path, Study(ARMS, by_transfer, seeds=(0, 1))).groups
    assert group.paired == ()
