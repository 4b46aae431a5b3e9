"""Numbers and lists as short texts."""

import numpy as np
import pytest

from ablation.report.claims.words import count
from ablation.report.pages.numbers import duration, listed, p_value, percent, points


@pytest.mark.parametrize(("fraction", "text"), [(0.9542, "95.4"), (1.0, "100.0"), (np.nan, "–")])
def test_an_accuracy_is_a_percentage_of_one_decimal(fraction: float, text: str) -> None:
    assert percent(fraction) == text


@pytest.mark.parametrize(("share", "text"), [(0.026, "+2.6"), (-0.017, "-1.7"), (-0.0001, "0.0")])
def test_points_have_a_sign_unless_they_are_zero(share: float, text: str) -> None:
    assert points(share) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(7.41, "7.4 s"), (25.3, "25 s"), (720, "12 min"), (9000, "2.5 h"), (np.nan, "–")],
)
def test_a_duration_has_the_unit_that_fits(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_tiny_p_value_is_not_given_in_full() -> None:
    assert (p_value(0.0312), p_value(1e-9)) == ("0.031", "< 0.001")


def test_a_long_list_ends_with_the_number_of_those_left_out() -> None:
    assert listed(["a", "b", "c"], most=2) == "a; b; and 1 more"
    assert listed(["a", "b"], most=2) == "a; b"


def test_one_is_singular_and_thousands_are_separated() -> None:
    assert (count(1, "seed"), count(2600, "picture")) == ("1 seed", "2,600 pictures")
