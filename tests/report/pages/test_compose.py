"""A report's sections in their order, and what makes it no answer to the question asked."""

import re
from pathlib import Path

import pytest

from ablation.errors import ConfigError
from tests.report.made_up import Study
from tests.report.reading import write


def test_a_breach_stands_at_the_top_in_red_and_makes_the_exit_code_2(tmp_path: Path) -> None:
    made = Study(
        {"transfer": ["full", "frozen"]},
        lambda _: 0.9,
        tags=lambda cell, _: {"frozen_digest_after": "0"} if "frozen" in cell.values() else {},
    )
    written, text = write(tmp_path, made)
    assert text.splitlines()[2].startswith("> 🔴 **BREACH: a frozen weight or buffer changed")
    html = written.path.with_suffix(".html").read_text()
    assert html.index('class="breach"') < html.index("<section>")
    assert (written.exit_code, written.is_complete) == (2, True)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"baseline": {"transfer": "ful"}}, "report.baseline.transfer=ful: unknown level; choose"),
        ({"baseline": {"tranfer": "full"}}, "report.baseline.tranfer: no such factor"),
        ({"nuisance": ["optimizer.rate"]}, "report.nuisance=[optimizer.rate]"),
    ],
)
def test_a_baseline_or_nuisance_that_is_not_there_is_refused(
    tmp_path: Path, config: dict[str, object], words: str
) -> None:
    made = Study({"transfer": ["full", "frozen"]}, lambda _: 0.9)
    with pytest.raises(ConfigError, match=re.escape(words)):
        write(tmp_path, made, **config)


def test_the_sections_stand_in_the_order_in_which_a_reader_asks(tmp_path: Path) -> None:
    axes = {"transfer": ["full", "frozen"], "reg": ["l1", "l2"]}
    made = Study(axes, lambda _: 0.9, seeds=(0, 1))
    _, text = write(tmp_path, made, drawn=True)
    assert re.findall(r"^## (.*)$", text, re.M) == [
        "What was compared", "Answers", "Ranking", "Pairs of factors", "Effects",
        "Pictures that flip", "Shares of variance", "Selection of the epoch", "Scores and cost",
        "Ledger", "Integrity of the arms", "Learning curves", "Accuracy and training time",
        "How this was made",
    ]  # fmt: skip


def test_cells_of_other_pictures_have_sections_of_their_own(tmp_path: Path) -> None:
    axes = {"data": ["digits", "hymenoptera"], "transfer": ["full", "frozen"]}
    _, text = write(tmp_path, Study(axes, lambda _: 0.9))
    titles = re.findall(r"^## (.*)$", text, re.M)
    assert titles[1:4] == ["All cells", "Answers: data digits", "Answers: data hymenoptera"]
