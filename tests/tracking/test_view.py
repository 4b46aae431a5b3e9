"""MLflow's own UI in a real browser: a study's runs, their factors and accuracies, the pictures.

With ABLATION_SCREENSHOTS=FOLDER the pages are saved there as pictures.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from PIL import Image

from ablation.config import DataConfig
from ablation.pictures import data
from ablation.tracking import view
from tests.browser import chromium
from tests.conftest import Study, command

#: MLflow opens its assistant over a newcomer's first page.
NO_ASSISTANT = """
localStorage.setItem('mlflow.assistant.panelOpen_v1', 'false');
localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true');
"""
STUDY = "digits-transfer-reg"


@pytest.fixture(scope="module")
def store(main_study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The main study's store, copied: what is added here is not seen by other tests."""
    folder = tmp_path_factory.mktemp("ui")
    shutil.copy(main_study.folder / "mlflow.db", folder / "mlflow.db")
    return folder


@pytest.fixture(scope="module")
def address(store: Path) -> Iterator[str]:
    """Where `mlflow ui` answers, started in the folder of the store as the README says."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    # Of the variables that MLflow reads, none may point it to another store or machine.
    env = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
    env["MLFLOW_DISABLE_TELEMETRY"] = "true"
    log = store / "ui.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            [*(sys.executable, "-m", "mlflow", "ui"), *("--host", "127.0.0.1", "--port", port)],
            cwd=store,
            env=env,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    there = f"http://127.0.0.1:{port}"
    try:
        wait(lambda: answers(there) or server.poll() is not None, 120, log.read_text)
        assert server.poll() is None, log.read_text()
        yield there
    finally:
        # The server and the workers that it started, which are its own group.
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(60)


def answers(address: str) -> bool:
    try:
        with urlopen(f"{address}/health", timeout=5) as response:
            return bool(response.status == 200)
    except (URLError, OSError):
        return False


def wait(until: Callable[[], object], seconds: float, what: Callable[[], str]) -> None:
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end, what()
        time.sleep(0.2)


@pytest.fixture
def browser(tmp_path: Path, address: str) -> Iterator[Any]:
    with chromium(tmp_path / "user", "1500,820") as driver:
        driver.get(f"{address}/health")
        driver.execute_script(NO_ASSISTANT)
        yield driver


@pytest.fixture(scope="module")
def runs(store: Path) -> dict[str, Run]:
    """The study's runs by name."""
    client = MlflowClient(f"sqlite:///{store / 'mlflow.db'}")
    experiment = client.get_experiment_by_name(STUDY)
    assert experiment is not None
    return {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}


def text(browser: Any) -> str:
    return str(browser.execute_script("return document.body ? document.body.innerText : ''"))


def keep(browser: Any, name: str) -> None:
    """Save the page as a picture of few colours, where that is wanted."""
    folder = os.environ.get("ABLATION_SCREENSHOTS")
    if folder:
        path = Path(folder) / name
        browser.save_screenshot(str(path))
        with Image.open(path) as whole:
            few = whole.convert("RGB").quantize(255, dither=Image.Dither.NONE)
        few.save(path, optimize=True)


def test_mlflow_keeps_saved_views_as_it_did() -> None:
    """The words of the undocumented format are in the scripts of MLflow's UI."""
    import mlflow.server

    scripts = Path(mlflow.server.__file__).parent / "js" / "build"
    found = b"".join(path.read_bytes() for path in scripts.rglob("*.js")).decode(errors="ignore")
    state = ("selectedColumns", "columnOrder", "columnWidths", "orderByKey", "orderByAsc")
    page = view.PAGE_PARAMETER.partition("=")[0]
    for word in (view.TAG, view.KEY_PARAMETER, page, *state):
        assert word in found, (
            f"MLflow's UI has no {word!r} any more: it keeps saved views in another format, and "
            "ablation/tracking/view.py must write that one"
        )


def test_a_view_has_the_studys_factors_and_accuracies() -> None:
    class Client:
        def set_experiment_tag(self, experiment_id: str, key: str, value: str) -> None:
            saved[key] = value

    saved: dict[str, str] = {}
    view.save_view(Client(), "1", ["+augment", "optimizer.lr"])  # type: ignore[arg-type]
    state = json.loads(json.loads(saved["mlflow.sharedViewState.study"])["state"])
    assert state["selectedColumns"][:3] == [
        "params.`augment`",
        "params.`optimizer.lr`",
        "metrics.`best_val_accuracy`",
    ]
    assert state["orderByKey"] == "metrics.`best_val_accuracy`"


def test_a_study_shows_its_runs_factors_and_accuracies(
    browser: Any, address: str, runs: dict[str, Run]
) -> None:
    (experiment_id,) = {run.info.experiment_id for run in runs.values()}
    browser.get(address + view.address(experiment_id))
    wait(
        lambda: len(rows(browser)) == len(runs) and all(rows(browser).values()),
        120,
        lambda: text(browser),
    )
    shown = rows(browser)
    assert set(shown) == set(runs)
    for name, run in runs.items():
        assert shown[name]["params.`transfer`"] == run.data.params["transfer"]
        assert shown[name]["params.`reg`"] == run.data.params["reg"]
        accuracy = float(shown[name]["metrics.`best_val_accuracy`"])
        assert accuracy == pytest.approx(run.data.metrics["best_val_accuracy"])
    assert view.NAME in text(browser)
    keep(browser, "mlflow-study.png")


def rows(browser: Any) -> dict[str, dict[str, str]]:
    """What the table of runs shows: each run's cells, by column, under its name."""
    cells = browser.execute_script(
        """
        return [...document.querySelectorAll('[role=row][row-index] [role=gridcell][col-id]')].map(
            cell => [cell.closest('[role=row]').getAttribute('row-index'),
                     cell.getAttribute('col-id'), cell.innerText.trim()])
        """
    )
    table: dict[str, dict[str, str]] = {}
    for index, column, content in cells:
        table.setdefault(index, {})[column] = content
    found = {}
    for row in table.values():
        name = next(
            (re.search(r"\S+-s\d+", words) for words in row.values() if "-s" in words), None
        )
        if name:
            found[name.group()] = row
    return found


def test_a_run_shows_its_pictures(browser: Any, address: str, runs: dict[str, Run]) -> None:
    run = runs["full-l1-s0"]
    page = f"{address}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}/artifacts"
    training = "?workflowType=machine_learning"
    folder = Path(run.info.artifact_uri.removeprefix("file://"))
    for name in ("confusion.png", "pictures/views.jpg", "pictures/validation.jpg"):
        # Anew: the page that is open keeps the artifact that it was opened with.
        browser.get("about:blank")
        browser.get(f"{page}/{name}{training}")
        with Image.open(folder / name) as picture:
            size = list(picture.size)
        wait(lambda size=size: size in pictures(browser), 120, lambda: text(browser))  # type: ignore[misc]
    # Beside the last one, the list of what else there is.
    for word in ("full-l1-s0", "filters.png", "training.jpg", "views.jpg", "curves.png"):
        assert word in text(browser)
    keep(browser, "mlflow-run.png")


def pictures(browser: Any) -> list[list[int]]:
    """Width and height of the page's pictures that are there."""
    found: list[list[int]] = browser.execute_script(
        "return [...document.images].filter(i => i.complete)"
        ".map(i => [i.naturalWidth, i.naturalHeight])"
    )
    return found


def test_a_run_that_lies_behind_a_server_is_predicted_from(address: str, tmp_path: Path) -> None:
    """Training and prediction through HTTP alone: the artifacts are the server's."""
    few = ["data.train_pictures=20", "data.val_pictures=20", "data.size=32", "epochs=1"]
    said = command("transfer=frozen", "study=remote", f"tracking.uri={address}", *few, cwd=tmp_path)
    assert said.code == 0, said.err
    settings = DataConfig(source="digits", train_pictures=20, val_pictures=20, size=32)
    val = data.load(settings).val
    Image.fromarray(val.pixels(0)).save(tmp_path / "digit.png")
    client = MlflowClient(address)
    experiment = client.get_experiment_by_name("remote")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.artifact_uri.startswith("mlflow-artifacts:")
    said = command(
        *("best", "digit.png", "--study", "remote", "--tracking-uri", address),
        cwd=tmp_path,
        module="ablation.predict",
    )
    assert said.code == 0, said.err
    local = client.download_artifacts(run.info.run_id, "predictions.csv", str(tmp_path))
    _, _, label, confidence = Path(local).read_text().splitlines()[1].split(",")[:4]
    (line,) = [line for line in said.out.splitlines() if "digit.png" in line]
    assert line.split("│")[2].strip() == label
    assert line.split("│")[3].strip() == f"{float(confidence):.1%}"
    said = command(
        *("study=remote", f"tracking.uri={address}"), cwd=tmp_path, module="ablation.report"
    )
    assert said.code == 0, said.out + said.err
    assert "can't be read" not in said.out
    assert not (tmp_path / "mlflow.db").exists()
