"""How a new store is made, from an empty one that is kept."""

import contextlib
import sqlite3
from pathlib import Path

import pytest

from ablation.tracking import fresh, store

Tables = dict[str, list[tuple[object, ...]]]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache in which no store is kept yet."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("ABLATION_CACHE", str(folder))
    return folder


def made(folder: Path) -> Tables:
    """What a new store holds, and how its tables are laid out; without times."""
    folder.mkdir()
    store.connect(f"sqlite:///{folder / 'mlflow.db'}")
    with contextlib.closing(sqlite3.connect(folder / "mlflow.db")) as opened:
        layout = opened.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
        names = [name for name, _ in layout if not name.startswith("sqlite_")]
        tables = opened.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        found = {name: opened.execute(f"SELECT * FROM {name}").fetchall() for (name,) in tables}
    assert "experiments" in names
    # In which order MLflow gives a table's constraints differs from time to time.
    laid_out = [(name, *sorted((sql or "").replace(",", " ").split())) for name, sql in layout]
    found["experiments"] = [row[:4] for row in found["experiments"]]
    return {**found, "layout": laid_out}


def test_a_store_made_from_the_kept_one_is_as_mlflow_makes_it(tmp_path: Path, cache: Path) -> None:
    first = made(tmp_path / "first")
    (kept,) = cache.iterdir()
    assert made(tmp_path / "second") == first
    assert [row[:2] for row in first["experiments"]] == [(0, "Default")]
    with contextlib.closing(sqlite3.connect(kept)) as opened:
        assert not opened.execute("SELECT * FROM experiments").fetchall()


@pytest.mark.parametrize("content", [b"", b"no database", None], ids=["empty", "other", "half"])
def test_a_kept_store_that_is_damaged_costs_only_time(
    tmp_path: Path, cache: Path, content: bytes | None
) -> None:
    first = made(tmp_path / "first")
    (kept,) = cache.iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(whole[: len(whole) // 2] if content is None else content)
    assert made(tmp_path / "second") == first
    assert made(tmp_path / "third") == first


def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path: Path, cache: Path) -> None:
    cache.write_text("in the way")
    assert made(tmp_path / "first") == made(tmp_path / "second")


def test_nothing_of_a_store_that_is_half_made_is_left(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ends(new: Path) -> None:
        new.write_bytes(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(fresh, "_fill", ends)
        with pytest.raises(KeyboardInterrupt):
            made(tmp_path / "first")
    assert not (tmp_path / "first" / "mlflow.db").exists()
    assert made(tmp_path / "second")["experiments"]
