"""`ablation.compare`: right and wrong of any program's making."""

import subprocess
import sys

import numpy as np
import pytest

import ablation
from ablation.report.claims.comparison import compare as compare_cells
from ablation.report.claims.correction import holm

COLUMNS = ["a", "b", "difference", "low", "high", "p_value", "p_corrected", "verdict"]


def answers(seeds=4, pictures=300):
    rng = np.random.default_rng(0)
    hard = rng.normal(0, 0.1, pictures)
    wanted = {"new": 0.9, "old": 0.88, "none": 0.6}
    return {name: rng.random((seeds, pictures)) < at + hard for name, at in wanted.items()}


def test_every_pair_is_compared_as_the_report_compares_its_cells():
    correct = answers()
    found = ablation.compare(correct)
    assert list(found.columns) == COLUMNS
    assert list(zip(found.a, found.b, strict=True)) == [
        ("new", "old"), ("new", "none"), ("old", "none"),
    ]  # fmt: skip
    cells = {(name,): table for name, table in correct.items()}
    report = compare_cells(cells, ["cell"], dict.fromkeys(cells, range(4)))
    assert found.low.tolist() == [claim.found.low for claim in report.contrasts]
    assert found.p_corrected.to_numpy() == pytest.approx(holm(found.p_value))
    assert found.verdict.tolist() == ["open", "different", "different"]
    assert found.difference[0] == pytest.approx(correct["new"].mean() - correct["old"].mean())


def test_the_smallest_difference_of_interest_decides_what_is_the_same():
    found = ablation.compare(answers(seeds=10, pictures=2000), difference=0.2)
    assert found.verdict[0] in ("same", "different")
    twins = answers()["new"]
    same = ablation.compare({"a": twins, "b": twins}, difference=0.02)
    assert same.verdict.tolist() == ["same"]


def test_a_higher_confidence_has_wider_intervals():
    usual, high = ablation.compare(answers()), ablation.compare(answers(), confidence=0.99)
    assert (high.low < usual.low).all()
    assert (high.high > usual.high).all()


def test_one_seed_leaves_every_pair_open_without_an_interval():
    found = ablation.compare({name: table[:1] for name, table in answers().items()})
    assert found.verdict.tolist() == ["open"] * 3
    assert found[["low", "high", "p_value", "p_corrected"]].isna().all(axis=None)
    assert found.difference.notna().all()


def test_cells_with_more_seeds_are_compared_on_those_that_both_have():
    correct = answers()
    fewer = {**correct, "old": correct["old"][:2]}
    found = ablation.compare(fewer)
    assert found.difference[0] == pytest.approx(
        correct["new"][:2].mean() - correct["old"][:2].mean()
    )


def test_numbers_other_than_right_and_wrong_are_scores():
    right = answers()
    loss = {name: np.where(table, 0.1, 2.3) for name, table in right.items()}
    found = ablation.compare(loss)
    assert found.difference.to_numpy() == pytest.approx(
        -2.2 * ablation.compare(right).difference.to_numpy()
    )
    assert found.verdict.tolist()[1:] == ["different"] * 2


@pytest.mark.parametrize(
    ("correct", "options", "words"),
    [
        ({"a": [1, 0]}, {}, "cell .a. has shape"),
        ({"a": np.ones((2, 3)), "b": np.ones((2, 4))}, {}, "same pictures"),
        ({"a": [[0, 2]]}, {}, "cell .a. holds more than right"),
        ({"a": [[0.5, np.nan]]}, {}, "cell .a. holds a score that is not a finite number"),
        ({"a": [[0, 1]]}, {"confidence": 95}, "confidence is 95"),
        ({"a": [[0, 1]]}, {"difference": 0}, "difference is 0"),
    ],
)
def test_what_can_not_be_compared_is_named(correct, options, words):
    with pytest.raises(ValueError, match=words):
        ablation.compare(correct, **options)


def test_nothing_to_compare_is_an_empty_table():
    assert ablation.compare({}).columns.tolist() == COLUMNS
    assert ablation.compare({"a": [[True]]}).empty


def test_importing_the_package_loads_no_statistics():
    code = "import ablation, sys; print({'scipy', 'pandas', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
