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
