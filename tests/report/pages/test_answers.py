"""What the report concludes, in words."""

import re
from pathlib import Path

from tests.report.made_up import Study
from tests.report.reading import section, write


def test_146_and_142_of_153_pictures_are_no_evidence_of_a_difference(tmp_path: Path) -> None:
    right = {"l1": 146, "l2": 142}
    made = Study({"reg": ["l1", "l2"]}, lambda cell: right[cell["reg"]])
    written, text = write(tmp_path, made)
    answers = section(text, "Answers")
    assert "no evidence of a difference between l1 and l2: 2.6 points" in answers
    assert "on these weights" in answers
    assert "beats" not in text
    assert "95.4 [90.9, 97.8]" in text
    assert "with one seed, nothing can be said about other seeds" in text
    assert "Not given: with one seed" in section(text, "Shares of variance")
    assert written.exit_code == 0


def test_a_large_difference_is_told_with_its_interval_and_its_size(tmp_path: Path) -> None:
    made = Study(
        {"transfer": ["frozen", "scratch"]},
        lambda cell: 0.9 if cell["transfer"] == "frozen" else 0.6,
        seeds=range(5),
    )
    _, text = write(tmp_path, made, baseline={"transfer": "scratch"})
    assert re.search(
        r"frozen beats scratch by 3\d\.\d points \[\d+\.\d, \d+\.\d\], 5 seeds, 153 pictures", text
    )
    assert "learning rate fixed, not tuned" in section(text, "Answers")
    assert "frozen − scratch" in section(text, "Effects")


def test_one_run_alone_and_no_run_at_all_are_told_plainly(tmp_path: Path) -> None:
    _, text = write(tmp_path / "one", Study({}, lambda _: 0.9))
    assert "There is no other cell to compare it with." in section(text, "Answers")
    made = Study({"reg": ["l1", "l2"]}, lambda _: 0.9, failed=lambda *_: "ValueError: no")
    written, text = write(tmp_path / "none", made)
    assert "No run has finished" in text
    assert written.exit_code == 2
