"""What more seeds cost."""

import pytest

from ablation.report.claims.price import of_seeds, seconds_of_run
from ablation.study.record import Run


def run(start: float, end: float | None) -> Run:
    stop = None if end is None else int(1000 * end)
    return Run("id", "name", "FINISHED", int(1000 * start), stop, {}, {}, {})


def test_runs_side_by_side_share_their_time():
    assert seconds_of_run([run(0, 10), run(10, 20)]) == 10
    assert seconds_of_run([run(0, 10), run(0, 10)]) == 5
    # A study that was left and taken up again was not at work in between.
    assert seconds_of_run([run(1000, 1010), run(0, 20)]) == 15
    assert seconds_of_run([run(0, None)]) is None
    assert seconds_of_run([]) is None


@pytest.mark.parametrize(
    ("seeds", "words"),
    [
        ((0,), "`seed='range(3)'` adds 12 runs, about 2 minutes"),
        ((7,), "`seed=7,8,9` adds 12 runs, about 2 minutes"),
    ],
)
def test_one_seed_lacks_two(seeds, words):
    assert str(of_seeds(seeds, 6, 10.0)) == words


def test_two_seeds_are_judged():
    assert of_seeds((0, 1), 6, 10.0) is None


def test_without_times_the_runs_are_told():
    assert str(of_seeds((0,), 6, None)) == "`seed='range(3)'` adds 12 runs"
