"""What several kinds of figures share."""

from ablation.report.pages.drawing.marks import verdict_handles, without_middle


def test_a_long_name_loses_its_middle() -> None:
    assert without_middle("abcdefghij", longest=7) == "abc…hij"
    assert without_middle("abcdefg", longest=7) == "abcdefg"


def test_a_legend_names_the_verdicts_that_occur() -> None:
    labels = [one.get_label() for one in verdict_handles(["open", "different", "open"], "same")]
    assert labels == ["different", "open"]
