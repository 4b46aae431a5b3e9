"""The notebooks run from top to bottom, in a folder that has nothing, and are kept with outputs."""

from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.conftest import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def outputs(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def n_pictures(notebook: nbformat.NotebookNode) -> int:
    return sum(
        any(kind.startswith("image/") for kind in output.get("data", {}))
        for output in outputs(notebook)
    )


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("ABLATION_PICTURES", "ABLATION_STUDY", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    kept = nbformat.read(path, as_version=4)
    executed = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(tmp_path)}}
    # Raises where a cell does.
    NotebookClient(executed, timeout=600, resources=resources).execute()
    assert n_pictures(executed) == n_pictures(kept) > 0
    assert not [output for output in outputs(executed) if output.get("name") == "stderr"]


def test_the_first_takes_pictures_of_ones_own(
    make_folder: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_folder({"train": 6, "val": 4})
    monkeypatch.setenv("ABLATION_PICTURES", str(root))
    executed = nbformat.read(NOTEBOOKS[0], as_version=4)
    resources = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(executed, timeout=600, resources=resources).execute()
    said = "".join(output.get("text", "") for output in outputs(executed))
    assert "12 pictures to train, 8 to validate, 2 classes" in said


def test_there_are_two_notebooks_whose_outputs_are_kept_and_are_of_no_one_machine() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["1_the_first_document", "2_explore_a_study"]
    for path in NOTEBOOKS:
        notebook = nbformat.read(path, as_version=4)
        cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
        assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
        assert not [output for output in outputs(notebook) if output.get("name") == "stderr"]
        text = path.read_text()
        assert len(text) < 1_000_000
        for folder in ("/home/", "/root/", "/tmp/", "/Users/"):
            assert folder not in text
