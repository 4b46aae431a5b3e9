"""How threads wait depends on what others compute."""

import subprocess
import sys
import threading
import time

import pytest

from ablation.network.cpu import waiting


def test_a_process_has_one_watch() -> None:
    first = waiting.watch({})
    if first is None:
        pytest.skip("the system does not tell what other processes compute")
    assert waiting.watch({}) is first
    first.close()
    second = waiting.watch({})
    assert second is not None
    assert second is not first
    second.close()


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


@pytest.mark.parametrize(("name", "is_beside"), [("tracking_0", True), ("MainThread-2", False)])
def test_a_thread_that_writes_results_is_work_beside_the_training(
    name: str, is_beside: bool
) -> None:
    end = threading.Event()

    def compute() -> None:
        while not end.is_set():
            sum(range(10_000))

    thread = threading.Thread(target=compute, name=name)
    thread.start()
    try:
        before = time.process_time(), waiting.usage()
        time.sleep(1.0)
        after = time.process_time(), waiting.usage()
    finally:
        end.set()
        thread.join()
    all_of_it = after[0] - before[0]
    own = after[1][2] - before[1][2]
    assert all_of_it > 0.1
    assert own == pytest.approx(0 if is_beside else all_of_it, abs=0.4 * all_of_it)


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
