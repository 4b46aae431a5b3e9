"""A small study in a store, and its file of evidence."""

from pathlib import Path

import pytest

from ablation.report.evidence import archive_writer
from ablation.report.evidence.store import Stored
from ablation.tracking.store import connect
from tests.report.made_up import Study, store


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the store `mlflow.db` and of the file `e.zip`."""
    folder = tmp_path_factory.mktemp("kept")
    made = Study({"reg": ["l1", "l2"]}, lambda _: 0.9)
    store(folder, made)
    archive_writer.save(
        Stored(connect(f"sqlite:///{folder}/mlflow.db"), made.name), folder / "e.zip"
    )
    return folder
