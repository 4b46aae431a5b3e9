"""The file of evidence is exact, small and reproducible; it names no machine and no person."""

import re
import socket
import zipfile
from pathlib import Path

import numpy as np
import pytest

from ablation.report.evidence import archive_writer
from ablation.report.evidence.archive import Archived, EvidenceError
from ablation.report.evidence.source import HELD_BACK, VALIDATION
from ablation.report.evidence.store import Stored
from ablation.tracking.store import connect
from tests.report.made_up import Study, store
from tests.report.reading import ARMS, by_transfer


def test_every_probability_is_in_the_file_to_the_last_bit(tmp_path: Path) -> None:
    made = Study(ARMS, by_transfer, seeds=(0, 1), n_test=30)
    stored = Stored(connect(store(tmp_path, made)), made.name)
    archive_writer.save(stored, tmp_path / "all.zip")
    back = Archived(tmp_path / "all.zip")
    runs = [run.id for run in stored.runs]
    for split, n in ((VALIDATION, 153), (HELD_BACK, 30)):
        wanted = stored.predictions(runs, split, with_probabilities=True).read
        found = back.predictions(runs, split, with_probabilities=True).read
        assert list(found) == runs
        for run_id in runs:
            one, other = found[run_id].probabilities, wanted[run_id].probabilities
            assert one is not None
            assert other is not None
            assert one.shape == (n, 2)
            assert one.tobytes() == other.tobytes()
            assert found[run_id].classes == wanted[run_id].classes == ("bees", "ants")
    for run_id, wanted_history in stored.histories(runs).read.items():
        history = back.histories([run_id]).read[run_id]
        assert list(history) == list(wanted_history)
        for name, values in history.items():
            np.testing.assert_array_equal(values, wanted_history[name])


def test_many_pictures_are_written_part_by_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Study(ARMS, by_transfer, seeds=range(4))
    stored = Stored(connect(store(tmp_path, made)), made.name)
    archive_writer.save(stored, tmp_path / "whole.zip")
    monkeypatch.setattr(archive_writer, "AT_ONCE", 700)
    archive_writer.save(stored, tmp_path / "parts.zip")
    runs = [run.id for run in stored.runs]
    whole, parts = Archived(tmp_path / "whole.zip"), Archived(tmp_path / "parts.zip")
    for run_id in runs:
        one = whole.predictions([run_id], VALIDATION, with_probabilities=True).read[run_id]
        other = parts.predictions([run_id], VALIDATION, with_probabilities=True).read[run_id]
        np.testing.assert_array_equal(one.probabilities, other.probabilities)
        assert one.pictures == other.pictures


def test_the_file_is_small_and_the_same_evidence_makes_the_same_file(tmp_path: Path) -> None:
    made = Study({**ARMS, "optimizer": ["adam", "sgd"]}, by_transfer, seeds=range(5))
    stored = Stored(connect(store(tmp_path, made)), made.name)
    archive_writer.save(stored, tmp_path / "one.zip")
    archive_writer.save(stored, tmp_path / "two.zip")
    assert len(stored.runs) == 60
    assert (tmp_path / "one.zip").stat().st_size < 200_000
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_the_file_names_no_machine_no_person_and_no_folder(tmp_path: Path) -> None:
    secret = {"host": "secret-host", "process": "secret-7", "mlflow.user": "secret-user",
              "mlflow.source.name": "/home/secret/run.py"}  # fmt: skip
    made = Study(
        ARMS,
        by_transfer,
        tags=lambda *_: secret,
        overrides=(
            "data=imagefolder", "data.root=/home/secret/pictures", "results=/home/secret/results",
            "tracking.uri=sqlite:////home/secret/mlflow.db", "cache.folder=/home/secret/cache",
        ),
    )  # fmt: skip
    stored = Stored(connect(store(tmp_path, made)), made.name)
    archive_writer.save(stored, tmp_path / "all.zip")
    with zipfile.ZipFile(tmp_path / "all.zip") as file:
        inside = b"".join(file.read(name) for name in file.namelist())
    for word in ("secret", str(tmp_path), socket.gethostname()):
        assert word.encode() not in inside


def test_a_disk_that_is_full_leaves_the_older_file(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "e.zip").write_bytes(b"older")
    stored = Stored(connect(f"sqlite:///{kept / 'mlflow.db'}"), "made-up")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archive_writer.os, "replace", full)
    with pytest.raises(
        EvidenceError, match=re.escape("can't be written (No space left on device)")
    ):
        archive_writer.save(stored, tmp_path / "e.zip")
    assert [path.name for path in tmp_path.iterdir()] == ["e.zip"]
    assert (tmp_path / "e.zip").read_bytes() == b"older"
