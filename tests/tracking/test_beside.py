"""Artifacts lie beside the store, wherever its folder goes and whatever it is called."""

import shutil
import sqlite3
from pathlib import Path
from urllib.parse import unquote

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from ablation.tracking import beside, store
from ablation.tracking.artifacts import ArtifactError, Artifacts
from tests.tracking.stores import client_of, make_store, runs, train

#: What MLflow itself, a shell or an address would read as something else.
ODD = ["a%20b", "a b", "a#b", "a?b", "é ü", "it's", 'say "so"', "100%", "a;b&c=d", "a%2fb", "[x]"]


def read(client: MlflowClient, run: Run) -> Path:
    files = Artifacts(client)
    return files.fetch(run.info.run_id, run.info.artifact_uri, "name.txt", Path("/nowhere"))


def all_lie_in(folder: Path, client: MlflowClient) -> None:
    for run in runs(client):
        path = read(client, run)
        assert path.is_relative_to(folder)
        assert path.read_text() == run.info.run_name
        # And so for MLflow's own pages.
        own = Path(client.download_artifacts(run.info.run_id, "name.txt"))
        assert own.read_text() == run.info.run_name
        recorded = beside.local_folder(run.info.artifact_uri)
        assert recorded is not None
        assert recorded.is_relative_to(folder)


@pytest.mark.parametrize("name", ODD)
def test_runs_are_written_beside_the_store_in_a_folder_of_any_name(
    name: str, tmp_path: Path
) -> None:
    make_store(tmp_path / name)
    client = client_of(tmp_path / name)
    train(client, "first")
    all_lie_in(tmp_path / name / "mlruns", client)
    # Where MLflow by itself puts them.
    assert unquote(name) == name or not (tmp_path / unquote(name)).exists()


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("is_copy", [True, False])
def test_a_study_that_moved_is_read_shown_and_continued_where_it_is(
    name: str, is_copy: bool, tmp_path: Path
) -> None:
    old, new = tmp_path / "old", tmp_path / "other" / name
    make_store(old)
    train(client_of(old), "first")
    new.parent.mkdir()
    shutil.copytree(old, new)
    if not is_copy:
        shutil.rmtree(old)
    client = client_of(new)
    all_lie_in(new, client)
    train(client, "second")
    assert len(runs(client)) == 2
    all_lie_in(new, client)
    if is_copy:
        assert len(runs(client_of(old))) == 1
        all_lie_in(old, client_of(old))
    else:
        assert not old.exists()


def test_a_store_that_is_named_from_elsewhere_has_its_artifacts_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_store(tmp_path / "data")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    client = client_of(tmp_path / "data")
    train(client, "first")
    all_lie_in(tmp_path / "data", client)
    assert not list((tmp_path / "work").iterdir())


def test_a_moved_store_that_can_not_be_written_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_store(tmp_path / "old")
    train(client_of(tmp_path / "old"), "first")
    (tmp_path / "old").rename(tmp_path / "new")

    def refuse(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("attempt to write a readonly database")

    monkeypatch.setattr(beside.sqlite3, "connect", refuse)
    client = client_of(tmp_path / "new")
    (run,) = runs(client)
    assert run.info.artifact_uri.startswith(str(tmp_path / "old"))
    assert read(client, run).is_relative_to(tmp_path / "new")
    with pytest.raises(store.TrackingError, match="can't be written"):
        store.open_study(client, "s")


def test_a_place_that_a_person_chose_stays_and_moves_along(tmp_path: Path) -> None:
    make_store(tmp_path / "a")
    client = client_of(tmp_path / "a")
    client.create_experiment("far", artifact_location=(tmp_path / "far").as_uri())
    client.create_experiment("near", artifact_location=(tmp_path / "a" / "kept").as_uri())
    for study in ("far", "near"):
        train(client, "first", study)
    (tmp_path / "a").rename(tmp_path / "b")
    client = client_of(tmp_path / "b")
    for study, place in (("far", tmp_path / "far"), ("near", tmp_path / "b" / "kept")):
        train(client, "second", study)
        assert len(runs(client, study)) == 2
        for run in runs(client, study):
            assert read(client, run).is_relative_to(place)
    assert not (tmp_path / "a").exists()


def test_artifacts_that_stayed_behind_are_read_there_and_new_ones_lie_beside_the_store(
    tmp_path: Path,
) -> None:
    make_store(tmp_path / "old")
    train(client_of(tmp_path / "old"), "first")
    (tmp_path / "new").mkdir()
    shutil.move(tmp_path / "old" / "mlflow.db", tmp_path / "new")
    client = client_of(tmp_path / "new")
    train(client, "second")
    places = [read(client, run) for run in runs(client)]
    assert places[0].is_relative_to(tmp_path / "old")
    assert places[1].is_relative_to(tmp_path / "new")


def test_a_run_under_way_is_left_where_its_process_writes(tmp_path: Path) -> None:
    make_store(tmp_path / "old")
    client = client_of(tmp_path / "old")
    run = client.create_run(store.open_study(client, "s").experiment_id)
    client.log_text(run.info.run_id, "so far", "name.txt")
    shutil.copytree(tmp_path / "old", tmp_path / "new")
    (seen,) = runs(client_of(tmp_path / "new"))
    assert seen.info.artifact_uri == run.info.artifact_uri


def test_what_is_nowhere_is_said_with_both_places(tmp_path: Path) -> None:
    make_store(tmp_path / "old")
    train(client_of(tmp_path / "old"), "first")
    (tmp_path / "new").mkdir()
    shutil.move(tmp_path / "old" / "mlflow.db", tmp_path / "new")
    shutil.rmtree(tmp_path / "old")
    client = client_of(tmp_path / "new")
    (run,) = runs(client)
    with pytest.raises(ArtifactError) as caught:
        read(client, run)
    assert str(tmp_path / "new") in str(caught.value)
    assert run.info.artifact_uri in str(caught.value)


def test_a_run_of_an_older_version_in_a_folder_with_an_escape_is_found(tmp_path: Path) -> None:
    """MLflow took "a%20b" for "a b", and wrote there."""
    make_store(tmp_path / "a%20b")
    client = client_of(tmp_path / "a%20b")
    experiment = client.create_experiment("s", artifact_location=f"{tmp_path}/a%20b/mlruns/1")
    run = client.create_run(experiment, run_name="first")
    client.log_text(run.info.run_id, "first", "name.txt")
    client.set_terminated(run.info.run_id)
    train(client, "second")
    first, second = (read(client, run) for run in runs(client))
    assert first.is_relative_to(tmp_path / "a b")
    assert second.is_relative_to(tmp_path / "a%20b")


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("sqlite:///rel.db", "{here}/rel.db"),
        ("sqlite:////data/abs.db", "/data/abs.db"),
        ("sqlite:////data/a b#c/abs.db", "/data/a b#c/abs.db"),
        ("sqlite+pysqlite:///rel.db", "{here}/rel.db"),
        ("sqlite:///rel.db?timeout=10", "{here}/rel.db"),
        ("sqlite:///file:/data/abs.db?mode=ro&uri=true", "/data/abs.db"),
        ("sqlite:///file:rel.db?mode=ro&uri=true", "{here}/rel.db"),
        ("sqlite:///:memory:", None),
        ("sqlite:///file:x?mode=memory&uri=true", None),
        ("sqlite://", None),
        ("http://127.0.0.1:5000", None),
        ("http://[broken", None),
        ("sqlite:nothing", None),
        ("postgresql://user@host/base", None),
        ("databricks", None),
        ("mlruns", None),
    ],
)
def test_the_file_of_a_store_is_known_from_its_address(
    uri: str, path: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    wanted = Path(path.format(here=tmp_path)) if path else None
    assert beside.database(uri) == wanted
