"""The report in a real browser: it opens from disk, offline, and complains of nothing."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ablation import report
from ablation.config import ReportConfig
from ablation.report.evidence.store import Stored
from ablation.tracking import store as tracking
from tests.browser import chromium
from tests.report.made_up import Study, store


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Any]:
    with chromium(tmp_path / "user", "1100,2000") as driver:
        driver.get("about:blank")
        # What the browser asked for its own first page is not the report's.
        driver.get_log("performance")
        yield driver


def test_the_report_opens_offline_with_all_its_figures_and_no_complaint(
    browser: Any, tmp_path: Path
) -> None:
    made = Study(
        {"transfer": ["full", "frozen", "scratch"], "reg": ["l1", "l2"]},
        lambda cell: 0.65 if cell["transfer"] == "scratch" else 0.9,
        seeds=(0, 1),
    )
    client = tracking.connect(store(tmp_path / "store", made))
    written = report.write(Stored(client, made.name), tmp_path / "results", ReportConfig())
    page = written.path.with_suffix(".html").rename(tmp_path / "alone.html").as_uri()
    shutil.rmtree(written.path.parent)
    browser.get(page)

    images = browser.execute_script(
        "return [...document.images].map(i => [i.complete, i.naturalWidth, i.alt])"
    )
    assert len(images) >= 6
    assert all(complete and width > 0 and alt for complete, width, alt in images)
    # Nothing is cut off at the side: only tables may scroll, within themselves.
    assert browser.execute_script(
        "return document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    )
    assert browser.title == "made-up"
    assert browser.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    ]
    assert page in asked
    assert [url for url in asked if not url.startswith(("data:", "file:"))] == []
    assert [url for url in asked if url.startswith("file:")] == [page]


def test_tables_sort_and_filter_and_the_ranking_takes_another_baseline(
    browser: Any, tmp_path: Path
) -> None:
    reached = {"full": 0.93, "frozen": 0.9, "scratch": 0.5}
    made = Study(
        {"transfer": list(reached), "reg": ["l1", "l2"]},
        lambda cell: reached[cell["transfer"]],
        seeds=(0, 1, 2),
    )
    client = tracking.connect(store(tmp_path / "store", made))
    written = report.write(Stored(client, made.name), tmp_path / "results", ReportConfig())
    browser.get(written.path.with_suffix(".html").as_uri())
    assert browser.get_log("browser") == []

    def rows() -> list[list[str]]:
        found: list[list[str]] = browser.execute_script(
            "const table = document.querySelector('script.baselines').parentElement"
            ".querySelector('.table > table');"
            "return [...table.tBodies[0].rows].filter(row => !row.hidden)"
            ".map(row => [...row.cells].map(cell => cell.textContent))"
        )
        return found

    def act(script: str) -> None:
        browser.execute_script(
            "const section = document.querySelector('script.baselines').parentElement;" + script
        )

    as_written = rows()
    assert [row[0] for row in as_written] == ["1", "2", "3", "4", "5", "6"]
    act("section.querySelectorAll('th button')[3].click()")
    assert [row[0] for row in rows()] == ["6", "5", "4", "3", "2", "1"]
    act("section.querySelectorAll('th button')[0].click()")
    assert rows() == as_written
    act("const i = section.querySelector('input'); i.value = 'scratch l2';"
        "i.dispatchEvent(new Event('input'))")  # fmt: skip
    assert [row[1:3] for row in rows()] == [["scratch", "l2"]]
    act("const i = section.querySelector('input'); i.value = '';"
        "i.dispatchEvent(new Event('input'))")  # fmt: skip
    act("const s = section.querySelector('select'); s.value = '5';"
        "s.dispatchEvent(new Event('change'))")  # fmt: skip
    chosen = rows()
    # The first minus the last is the last minus the first with its sign turned.
    assert chosen[0][-2].startswith("+")
    assert chosen[0][-2].split()[0].lstrip("+") == as_written[5][-2].split()[0].lstrip("-")
    assert chosen[0][-1] == as_written[5][-1]
    assert chosen[5][-1] == "the chosen"
    act("const s = section.querySelector('select'); s.value = '';"
        "s.dispatchEvent(new Event('change'))")  # fmt: skip
    assert rows() == as_written


def test_the_numbers_behind_a_figure_are_there_without_scripts(
    browser: Any, tmp_path: Path
) -> None:
    made = Study({"reg": ["l1", "l2"]}, lambda _: 0.9, seeds=(0, 1, 2))
    client = tracking.connect(store(tmp_path / "store", made))
    written = report.write(Stored(client, made.name), tmp_path / "results", ReportConfig())
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(written.path.with_suffix(".html").as_uri())
        numbers = browser.find_element("css selector", "figure details")
        assert "seed 2" not in numbers.text
        numbers.find_element("css selector", "summary").click()
        assert "seed 2" in numbers.text
        assert not browser.find_elements("css selector", "th button, input, select")
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
