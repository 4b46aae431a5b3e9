"""What a run takes of its node, and where a cluster is looked for."""

from typing import Any

import pytest

from ablation.errors import ConfigError
from ablation.launchers import cluster
from ablation.launchers.wishes import Wishes


def nodes(monkeypatch: pytest.MonkeyPatch, *sizes: tuple[float, float]) -> None:
    def alive() -> list[dict[str, Any]]:
        return [{"Alive": True, "Resources": {"CPU": cpus, "GPU": gpus}} for cpus, gpus in sizes]

    monkeypatch.setattr(cluster, "_alive", alive)


@pytest.mark.parametrize(
    ("sizes", "threads", "device", "wishes", "wanted"),
    [
        # As many CPUs as threads, as far as there are so many.
        ([(8, 0)], "2", "cpu", Wishes(), (2, 0)),
        ([(4, 0), (2, 0)], "8", "cpu", Wishes(), (4, 0)),
        ([(8, 0)], "2", "cpu", Wishes(num_cpus=0.5), (0.5, 0)),
        # A GPU where there are some, unless the runs use another device.
        ([(8, 0), (4, 2)], "2", "auto", Wishes(), (2, 1)),
        ([(8, 0), (4, 2)], "8", "cuda", Wishes(), (4, 1)),
        ([(8, 0), (4, 2)], "2", "cpu", Wishes(), (2, 0)),
        ([(8, 1)], "2", "auto", Wishes(num_gpus=0.25), (2, 0.25)),
    ],
)
def test_what_a_run_takes(
    sizes: list[tuple[float, float]],
    threads: str,
    device: str,
    wishes: Wishes,
    wanted: tuple[float, float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nodes(monkeypatch, *sizes)
    monkeypatch.setenv("ABLATION_THREADS", threads)
    assert cluster.share(wishes, device) == cluster.Share(*wanted)


@pytest.mark.parametrize(
    ("wishes", "device", "answer"),
    [
        (Wishes(num_cpus=9), "cpu", "holds a run of 9 CPU; the largest have 8 CPU, 1 GPU"),
        # Nodes of so many CPUs, and one of a GPU, but none of both.
        (Wishes(num_cpus=8, num_gpus=1), "auto", "holds a run of 8 CPU and 1 GPU"),
        (Wishes(), "cuda:1", "device=cuda:1: Ray hands each run its GPU; device=cuda"),
    ],
)
def test_a_run_that_would_wait_for_ever_is_refused(
    wishes: Wishes, device: str, answer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes(monkeypatch, (8, 0), (4, 1))
    with pytest.raises(ConfigError) as raised:
        cluster.share(wishes, device)
    assert answer in str(raised.value)


def test_the_line_on_a_cluster_says_how_many_runs_train_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nodes(monkeypatch, (8, 1), (2, 2), (1, 0))
    told = cluster.in_words(cluster.Share(1, 0.25))
    assert told == "Ray: 2 nodes, 1 CPU and 0.25 GPU a run, 6 runs at a time"


@pytest.mark.parametrize("address", ["here", "ray://host:10001", "host:port", ":6379"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match=r"must be local, auto, or HOST:PORT"):
        cluster.join(Wishes(address), {})
