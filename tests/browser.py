"""A real browser for tests: headless Chromium that talks to nobody but the page."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-sync",
    "--no-first-run",
)


@contextmanager
def chromium(user: Path, size: str) -> Iterator[Any]:
    """A browser with an empty profile in `user` and a window of `size`, "width,height" in pixels.

    Its console and its requests are in the logs "browser" and "performance". Without Chromium and
    its driver the test is skipped, but fails where the environment says CI.
    """
    if not (BROWSER and DRIVER):
        if os.environ.get("CI"):
            pytest.fail("no chromium and chromedriver here, and CI is to have them")
        pytest.skip("no chromium and chromedriver here")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for flag in (*FLAGS, f"--window-size={size}", f"--user-data-dir={user}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        yield driver
    finally:
        driver.quit()
