"""A store that is away: it is waited for, and what can't be delivered is delivered later."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from mlflow import MlflowClient

from tests.conftest import command

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

GRID = [
    *("-m", "transfer=scratch", "reg=none,l1,l2", "study=s", "epochs=4"),
    *("data.train_pictures=64", "data.val_pictures=20", "data.size=64"),
]


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextlib.contextmanager
def server(
    folder: Path, port: int, database: str | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """An MLflow server with its store in a folder, until the context ends or it is killed."""
    store = database or f"sqlite:///{folder / 'server.db'}"
    words = ["--backend-store-uri", store, "--port", str(port)]
    words += ["--artifacts-destination", str(folder / "artifacts"), "--workers", "1"]
    words += ["--allowed-hosts", f"127.0.0.1:{port}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", *words],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        end = time.monotonic() + 300
        while time.monotonic() < end:
            with contextlib.suppress(requests.RequestException):
                if requests.get(f"http://127.0.0.1:{port}/health", timeout=5).ok:
                    break
            time.sleep(0.1)
        yield process
    finally:
        stop(process)


def stop(process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def started(folder: Path, uri: str, *words: str) -> "subprocess.Popen[str]":
    env = {**os.environ, "PYTHONWARNINGS": "ignore", "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "ablation", *GRID, f"tracking.uri={uri}", *words],
        cwd=folder,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def heard(process: "subprocess.Popen[str]", wanted: str) -> str:
    """What a command says until it says something."""
    assert process.stdout is not None
    said = ""
    while wanted not in said:
        line = process.stdout.readline()
        assert line, said
        said += line
    return said


def finished(uri: str) -> Counter[str]:
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("s")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    assert {run.info.status for run in runs} == {"FINISHED"}
    for run in runs:
        assert len(client.get_metric_history(run.info.run_id, "val/accuracy")) == 4
        assert {file.path for file in client.list_artifacts(run.info.run_id)} >= {"history.csv"}
    return Counter(run.info.run_name for run in runs)


ONCE = {"none-s0": 1, "l1-s0": 1, "l2-s0": 1}


def test_a_server_that_restarts_costs_no_run_and_no_traceback(tmp_path: Path) -> None:
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    with server(tmp_path, port) as first:
        study = started(tmp_path, uri)
        said = heard(study, "epoch 2/4")
        stop(first)
        time.sleep(30)
        with server(tmp_path, port):
            rest, _ = study.communicate(timeout=400)
            said += rest
            assert study.returncode == 0, said
            assert said.count("the MLflow store is away") == 1, said
            assert "the MLflow store is back" in said
            assert "Traceback" not in said
            assert finished(uri) == ONCE
    assert not (tmp_path / "results" / "s" / "outbox").exists()


def test_what_a_server_never_got_is_delivered_by_the_next_command(tmp_path: Path) -> None:
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    with server(tmp_path, port) as first:
        study = started(tmp_path, uri, "tracking.patience=2")
        said = heard(study, "epoch 2/4")
        stop(first)
        rest, _ = study.communicate(timeout=400)
    said += rest
    assert study.returncode == 1
    assert "Traceback" not in said
    assert "3 finished runs are kept in" in said, said
    with server(tmp_path, port):
        again = command(*GRID, f"tracking.uri={uri}", cwd=tmp_path)
        assert again.code == 0, again.out + again.err
        assert "delivered 3 runs that an earlier command could not log" in again.out
        assert again.out.count("had finished before") == 3
        assert finished(uri) == ONCE


BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


class Postgres:
    """A cluster of Debian's PostgreSQL on loopback; the server refuses to run as root."""

    def __init__(self, folder: Path, port: int) -> None:
        self.data, self.port = folder / "cluster", port
        self.data.mkdir()
        shutil.chown(self.data, "postgres", "postgres")
        for one in (folder, *folder.parents):
            if one.owner() == "root" and str(one).startswith("/tmp/"):
                one.chmod(0o755)
        self.run("initdb", "-D", str(self.data), "-A", "trust")

    @property
    def uri(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def run(self, program: str, *words: str) -> None:
        path = str(BINARIES[-1] / program)
        command = ["runuser", "-u", "postgres", "--", path, *words]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/")

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self.data}"
        log = str(self.data / "log")
        self.run("pg_ctl", "-D", str(self.data), "-w", "-l", log, "-o", options, "start")

    def stop(self) -> None:
        self.run("pg_ctl", "-D", str(self.data), "-m", "immediate", "stop")


def said_while_stopped(folder: Path, uri: str, database: Postgres) -> str:
    """What a study says whose database is stopped for half a minute; it must end well."""
    study = started(folder, uri)
    said = heard(study, "epoch 2/4")
    database.stop()
    time.sleep(30)
    database.start()
    rest, _ = study.communicate(timeout=400)
    said += rest
    assert study.returncode == 0, said
    assert "Traceback" not in said
    return said


needs_postgresql = pytest.mark.skipif(
    not BINARIES or os.geteuid() != 0, reason="needs Debian's postgresql, and root"
)


@needs_postgresql
def test_a_database_that_is_stopped_for_a_while_costs_no_run(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    database = Postgres(tmp_path, free_port())
    database.start()
    try:
        said = said_while_stopped(tmp_path, database.uri, database)
        assert said.count("the MLflow store is away") == 1, said
        assert finished(database.uri) == ONCE
    finally:
        database.stop()


@needs_postgresql
def test_a_server_whose_database_is_stopped_for_a_while_costs_no_run(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    database, port = Postgres(tmp_path, free_port()), free_port()
    uri = f"http://127.0.0.1:{port}"
    database.start()
    try:
        with server(tmp_path, port, database.uri):
            said_while_stopped(tmp_path, uri, database)
            assert finished(uri) == ONCE
            assert len(list((tmp_path / "artifacts").rglob("history.csv"))) == 3
            again = command(*GRID, f"tracking.uri={uri}", cwd=tmp_path)
            assert again.code == 0, again.out + again.err
            assert again.out.count("had finished before") == 3
            assert finished(uri) == ONCE
    finally:
        database.stop()


def test_a_database_without_its_driver_says_what_to_install(tmp_path: Path) -> None:
    hide = "import sys\nfor name in ('psycopg', 'psycopg2'):\n    sys.modules[name] = None\n"
    (tmp_path / "sitecustomize.py").write_text(hide)
    said = command(
        *(*GRID, "tracking.uri=postgresql://a@127.0.0.1:1/b"),
        cwd=tmp_path,
        env={"PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"},
    )
    assert said.code == 1
    assert '`pip install "ablation[postgres]"` installs what speaks with PostgreSQL' in said.err
