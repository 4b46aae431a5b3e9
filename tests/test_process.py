"""How a command is stopped."""

import subprocess
import sys

#: Threads are waited for while Ctrl-C comes at any moment, thousands of times.
STOPPED = """
import random, signal, time
from concurrent.futures import ThreadPoolExecutor
from ablation import process

def alarm(number, frame):
    signal.getsignal(signal.SIGINT)(number, frame)

signal.signal(signal.SIGALRM, alarm)
pool = ThreadPoolExecutor(1)
n_stopped = 0
end = time.monotonic() + 4
while time.monotonic() < end:
    process.stop_on_signals()
    try:
        signal.setitimer(signal.ITIMER_REAL, 1e-5 + 3e-4 * random.random())
        for _ in range(20):
            with process.uninterrupted():
                future = pool.submit(int)
            assert process.result(future) == 0
            assert list(process.results(pool, abs, [-1, 2])) == [1, 2]
        signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        n_stopped += 1
    assert pool.submit(int).result(timeout=20) == 0, "the thread waits for ever"
print(n_stopped)
"""


def test_threads_work_on_whenever_ctrl_c_comes() -> None:
    done = subprocess.run(
        [sys.executable, "-c", STOPPED], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 100


STOPPED_INSIDE = """
import os, signal
from ablation import process

process.stop_on_signals()
done = []
try:
    with process.uninterrupted():
        with process.uninterrupted():
            os.kill(os.getpid(), signal.SIGTERM)
        done.append("inner")
        done.append("outer")
    done.append("after")
except KeyboardInterrupt:
    print(*done)
"""


def test_a_section_that_must_not_be_interrupted_is_done_before_the_command_stops() -> None:
    done = subprocess.run(
        [sys.executable, "-c", STOPPED_INSIDE], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["inner", "outer"]
