"""How a report was made."""

from pathlib import Path

from tests.report.made_up import Study
from tests.report.reading import section, write


def test_the_report_says_how_it_was_made(tmp_path: Path) -> None:
    _, text = write(tmp_path, Study({"reg": ["l1", "l2"]}, lambda _: 0.9))
    made = section(text, "How this was made")
    for fact in ("python -m ablation -m reg=l1,l2 seed=0", "c" * 40, "torch 2.13.0", "d" * 64):
        assert fact in made
