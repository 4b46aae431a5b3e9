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
