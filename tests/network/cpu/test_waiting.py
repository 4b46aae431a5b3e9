"""How threads wait, and how many there are: the same in every process of a command."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pandas as pd
import pytest

from ablation.network.cpu import waiting
from ablation.report.evidence import integrity


def test_a_person_who_decides_how_threads_wait_is_obeyed() -> None:
    for chosen in ({"OMP_WAIT_POLICY": "ACTIVE"}, {"GOMP_SPINCOUNT": "7"}):
        assert waiting.watch(chosen) is None


def test_what_other_processes_compute_is_seen() -> None:
    before = waiting.usage()
    loop = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        time.sleep(1.5)
        # A machine that does more besides sees more.
        assert waiting.others(before, waiting.usage()) > waiting.BUSY
    finally:
        loop.kill()
        loop.wait()


def test_what_this_process_computes_is_not_the_others() -> None:
    assert waiting.others((0.0, 10.0, 5.0), (2.0, 13.0, 8.0)) == 0
    assert waiting.others((0.0, 10.0, 5.0), (2.0, 14.0, 6.0)) == pytest.approx(1.5)


def test_threads_are_held_while_the_machine_is_busy_and_let_go_when_it_is_idle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The team is what makes OpenMP's own threads sleep."""
    cores = [0.0, 0.0, 1.0, 0.2, 0.0]
    seen: list[bool] = []
    monkeypatch.setattr(waiting, "usage", lambda: (0.0, 0.0, 0.0))
    monkeypatch.setattr(waiting, "others", lambda *_: cores.pop(0))

    def teams() -> int:
        return sum(thread.name == "waiting-team" for thread in threading.enumerate())

    n_before = teams()

    class Looks:
        """In place of the event that ends a watch, which it waits for between two looks."""

        def wait(self, seconds: float) -> bool:
            seen.append(teams() > n_before)
            return not cores

        def set(self) -> None: ...

    watch = waiting.Watch()
    monkeypatch.setattr(watch, "_end", Looks())
    watch.start()
    watch.join()
    watch.close()
    assert teams() == n_before
    # Until it is known better the machine is busy; between the two limits nothing changes.
    assert seen == [True, False, False, True, True, False]


@pytest.mark.parametrize("asked", [None, 1])
def test_the_number_of_threads_is_the_same_whatever_a_launcher_shares_out(
    asked: int | None, tmp_path: Path
) -> None:
    """joblib gives its workers a share of the cores through OMP_NUM_THREADS."""
    code = (
        "import torch; from ablation.network import device; "
        f"device.prepare({asked}); print(torch.get_num_threads())"
    )
    env = {**os.environ, "OMP_NUM_THREADS": "1", "ABLATION_THREADS": "2"}
    said = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == str(asked or 2)


def test_runs_of_different_numbers_of_threads_are_told() -> None:
    table = pd.DataFrame(
        {"tags.device": ["cpu"] * 3, "tags.precision": ["float32"] * 3, "tags.threads": ["2"] * 3}
    )
    assert not integrity.same_arithmetic(table).warnings
    table.loc[2, "tags.threads"] = "1"
    (warning,) = integrity.same_arithmetic(table).warnings
    assert "cpu, float32, 2 threads: 2 runs; cpu, float32, 1 thread: 1 run" in warning
    table["tags.device"] = "cuda:0"
    assert not integrity.same_arithmetic(table).warnings
