"""How a command is stopped."""

import signal
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


#: A launcher's handler exits; the task is over by then, and its sections are whole.
NOTICED = """
import os, signal, sys
from ablation import process

said = []
signal.signal(signal.SIGUSR2, lambda number, frame: (print(*said), sys.exit(3)))
with process.heeding_notice(60):
    try:
        with process.before_notice(31):
            said.append("long")
        with process.before_notice(29):
            os.kill(os.getpid(), signal.SIGUSR2)
            os.kill(os.getpid(), signal.SIGUSR2)
            said.append("short")
            assert process.is_noticed()
        said.append("after")
    except KeyboardInterrupt as error:
        assert process.is_stopped()
        said.append(str(error))
said.append("after the task")
"""


def test_a_notice_stops_the_task_before_the_launcher_ends_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", NOTICED], capture_output=True, text=True, check=False
    )
    assert done.returncode == 3, done.stderr
    assert done.stdout == "long short the time of its job was up\n"


UNNOTICED = """
import os, signal
from ablation import process

with process.heeding_notice(60), process.before_notice(1):
    assert not process.is_noticed()
    os.kill(os.getpid(), signal.SIGUSR2)
"""


def test_where_no_launcher_waits_for_a_notice_nothing_is_changed() -> None:
    done = subprocess.run([sys.executable, "-c", UNNOTICED], capture_output=True, check=False)
    assert done.returncode == -signal.SIGUSR2
