"""What the report concludes, in words."""

import io
import re
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from tests.report.made_up import Study
from tests.report.reading import ARMS, by_transfer, section, write


def test_one_seed_gives_numbers_and_the_price_of_a_verdict(tmp_path: Path) -> None:
    right = {"l1": 146, "l2": 42}
    made = Study({"reg": ["l1", "l2"]}, lambda cell: right[cell["reg"]])
    written, text = write(tmp_path, made)
    assert section(text, "Answers").strip() == (
        "One seed says nothing about levels: another seed, processor or version of a library may "
        "rank these cells otherwise. `seed='range(3)'` adds 4 runs, about 2 minutes."
    )
    assert "95.4 [90.9, 97.8]" in text
    assert "| l1 | l2 | 42 | 104 | 0 | 7 |" in section(text, "Paired pictures")
    assert "## Effects" not in text
    assert written.exit_code == 0


#: What is only said where something is claimed.
VERDICTS = re.compile(
    r"\b(significan\w*|differs?|different|beats?|better|worse|open|equivalent|told.apart"
    r"|no evidence|same within|verdict|p_value|corrected)\b"
)


def test_no_verdict_is_given_on_one_seed_in_any_file_nor_in_the_terminal(tmp_path: Path) -> None:
    made = Study({**ARMS, "optimizer": ["adam", "sgd"]}, by_transfer, n_test=40)
    written, _ = write(tmp_path, made, drawn=True)
    shown = Console(record=True, width=200, file=io.StringIO())
    shown.print(written.main_table)
    texts = {"terminal": shown.export_text()}
    folder = written.path.parent
    for path in (*folder.glob("*.md"), *folder.glob("*.csv")):
        texts[path.name] = path.read_text()
    html = (folder / "report.html").read_text()
    texts["report.html"] = re.sub(r"(?s)<(style|script)\b.*?</\1>|<[^>]*>", " ", html)
    assert set(texts) == {
        "terminal", "report.md", "report.html", "runs.csv", "cells.csv", "pairs.csv",
    }  # fmt: skip
    for name, text in texts.items():
        assert not VERDICTS.findall(text), (name, VERDICTS.findall(text))
    assert "`seed='range(3)'` adds 24 runs" in texts["terminal"]
    assert not {"effects.png", "interactions.png"} & {
        path.name for path in (folder / "figures").iterdir()
    }
    # The same study with seeds has them.
    written, text = write(tmp_path / "seeds", replace(made, seeds=(0, 1, 2)))
    assert "beats" in text
    assert not (written.path.parent / "pairs.csv").exists()


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
