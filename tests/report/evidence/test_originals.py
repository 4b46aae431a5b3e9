"""Pictures of a study, read again."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ablation.report.evidence.archive import Archived
from ablation.report.evidence.originals import read
from ablation.report.evidence.store import Stored
from ablation.tracking.store import connect
from tests.report.made_up import Study, store


def evidence(source: str, folder: str | None = None) -> Any:
    run = SimpleNamespace(id="r", params={"data.source": source})
    return SimpleNamespace(runs=[run], folders={"r": folder} if folder else {})


def test_the_digits_are_always_there() -> None:
    found = read(evidence("digits"), "r", {"digits/0007", "digits/9999"})
    assert list(found) == ["digits/0007"]
    assert found["digits/0007"].shape == (64, 64, 3)


def test_a_folder_is_read_where_it_is_known_and_there(tmp_path: Path) -> None:
    (tmp_path / "val").mkdir()
    Image.new("RGB", (8, 6), "red").save(tmp_path / "val" / "a.png")
    (tmp_path / "val" / "damaged.png").write_bytes(b"no picture")
    names = {"val/a.png", "val/damaged.png", "val/gone.png"}
    found = read(evidence("folder", str(tmp_path)), "r", names)
    assert list(found) == ["val/a.png"]
    assert np.array_equal(found["val/a.png"][0, 0], [255, 0, 0])
    assert read(evidence("folder"), "r", names) == {}
    assert read(evidence("folder", str(tmp_path / "gone")), "r", names) == {}


@pytest.mark.parametrize("name", ["../secret.png", "{tmp}/secret.png"])
def test_nothing_outside_the_folder_is_read(tmp_path: Path, name: str) -> None:
    (tmp_path / "pictures").mkdir()
    Image.new("RGB", (8, 6)).save(tmp_path / "secret.png")
    name = name.format(tmp=tmp_path)
    assert read(evidence("folder", str(tmp_path / "pictures")), "r", {name}) == {}


def test_a_store_knows_the_folder_and_a_file_of_evidence_does_not(
    tmp_path: Path, kept: Path
) -> None:
    made = Study(
        {"reg": ["l1", "l2"]},
        lambda _: 0.9,
        overrides=("data=imagefolder", f"data.root={tmp_path}"),
    )
    stored = Stored(connect(store(tmp_path / "store", made)), made.name)
    assert set(stored.folders.values()) == {str(tmp_path)}
    assert all("data.root" not in run.params for run in stored.runs)
    assert Archived(kept / "e.zip").folders == {}
