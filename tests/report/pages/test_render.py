"""The pages as Markdown and HTML: tables and figures are whole, names are no markup."""

import itertools
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path

from tests.report.made_up import Study
from tests.report.reading import write


def test_every_table_of_the_markdown_is_whole_and_every_figure_is_there(tmp_path: Path) -> None:
    made = Study(
        {"transfer": ["full", "frozen"], "reg": ["l1", "l2"], "optimizer": ["adam", "sgd"]},
        lambda _: 0.9,
        seeds=(0, 1),
    )
    written, text = write(tmp_path, made, drawn=True)
    lines = text.splitlines()
    for before, line in itertools.pairwise(lines):
        if before.startswith("|") and line.startswith("|"):
            assert len(re.findall(r"(?<!\\)\|", before)) == len(re.findall(r"(?<!\\)\|", line))
    shown = re.findall(r"\]\((figures/[^)]+)\)", text)
    assert len(shown) >= 7
    assert {f"figures/{path.name}" for path in (written.path.parent / "figures").iterdir()} == set(
        shown
    )


def test_names_can_not_break_out_of_the_pages(tmp_path: Path) -> None:
    made = Study(
        {"reg": ["l1", "l2"]},
        lambda _: 0.9,
        failed=lambda cell, _: "<script>alert(1)</script> *_`x`" if cell["reg"] == "l1" else "",
    )
    written, text = write(tmp_path, made)
    assert r"\<script\>" in text
    assert "<script>alert" not in written.path.with_suffix(".html").read_text()


class Links(HTMLParser):
    """Every address that a page refers to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in ("src", "href")]


def test_the_html_refers_to_nothing_outside_itself(tmp_path: Path) -> None:
    written, _ = write(tmp_path, Study({"reg": ["l1", "l2"]}, lambda _: 0.9), drawn=True)
    html = written.path.with_suffix(".html").read_text()
    links = Links(html).found
    assert len(links) > 2
    assert all(link.startswith("data:") for link in links)
    assert "@import" not in html
    assert "url(" not in html
