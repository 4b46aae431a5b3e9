"""What a seed decides follows from it alone."""

from ablation import randomness


def test_the_order_of_pictures_is_a_permutation_that_changes_with_seed_and_epoch() -> None:
    order = randomness.order(50, 0, 1)
    assert sorted(order) == list(range(50))
    assert (order == randomness.order(50, 0, 1)).all()
    assert (order != randomness.order(50, 0, 2)).any()
    assert (order != randomness.order(50, 1, 1)).any()
