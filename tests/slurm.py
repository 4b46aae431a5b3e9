"""Programs that answer as those of Slurm, so that what is handed to them can be tried here.

A job is killed as by its time limit once, where a test says when: after the notice that the script
asks for, it has as many seconds as the script says. What is put into the queue again starts on
another node. Start it as `python slurm.py PROGRAM …`.
"""

import itertools
import os
import re
import shlex
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil

PROGRAMS = ("sbatch", "srun", "sacct", "scontrol")
#: Environment variables: a folder; the lines of a job's output at which its time is up.
FOLDER, TIME_IS_UP = "FAKE_SLURM", "FAKE_SLURM_TIME_IS_UP"
#: A sitecustomize.py with which each node has a name.
NODES = """
import os, socket

if "SLURMD_NODENAME" in os.environ:
    socket.gethostname = lambda: os.environ["SLURMD_NODENAME"]
"""


def installed(folder: Path, time_is_up: str) -> dict[str, str]:
    """The environment variables with which a command finds these programs.

    Args:
        folder: where they keep their jobs.
        time_is_up: a pattern; a job in whose output it is found has met its time limit, once.
    """
    programs, jobs = folder / "bin", folder / "jobs"
    programs.mkdir(parents=True)
    jobs.mkdir()
    (programs / "sitecustomize.py").write_text(NODES)
    for name in PROGRAMS:
        words = shlex.join([sys.executable, str(Path(__file__).resolve()), name])
        (programs / name).write_text(f'#!/bin/sh\nexec {words} "$@"\n')
        (programs / name).chmod(stat.S_IRWXU)
    path = os.pathsep.join([str(programs), os.environ["PATH"]])
    modules = os.pathsep.join([str(programs), os.environ.get("PYTHONPATH", "")])
    return {FOLDER: str(jobs), TIME_IS_UP: time_is_up, "PATH": path, "PYTHONPATH": modules}


def sbatch(script: str) -> None:
    number = str(1 + sum(1 for _ in jobs().glob("*.sh")))
    text = Path(script).read_text()
    (jobs() / f"{number}.sh").write_text(text)
    array = re.search(r"--array=0-(\d+)%", text)
    names = [f"{number}_{at}" for at in range(int(array[1]) + 1)] if array else [number]
    for name in names:
        (jobs() / name).write_text("PENDING")
    subprocess.Popen(
        [sys.executable, __file__, "controller", *names],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=(jobs() / "errors").open("a"),
        start_new_session=True,
    )
    print(f"Submitted batch job {number}")


def srun(*words: str) -> None:
    at = words.index(sys.executable)
    files = dict(itertools.pairwise(words[:at]))
    for option, stream in (("--output", 1), ("--error", 2)):
        file = of_job(files[option], os.environ["FAKE_SLURM_JOB"])
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), stream)
    os.execv(words[at], words[at:])


def sacct(*words: str) -> None:
    print("JobID|State|NodeList")
    for number in (words[at + 1] for at, word in enumerate(words) if word == "-j"):
        for file in (*jobs().glob(number), *jobs().glob(f"{number}_*")):
            print(f"{file.name}|{file.read_text()}|node")


def scontrol(what: str, name: str) -> None:
    assert what == "requeue"
    (jobs() / name).write_text("REQUEUED")


def controller(*names: str) -> None:
    text = (jobs() / f"{names[0].partition('_')[0]}.sh").read_text()
    parallel = re.search(r"--array=0-\d+%(\d+)", text)
    slots = threading.Semaphore(int(parallel[1]) if parallel else 1)

    def run(name: str) -> None:
        with slots:
            n_starts = 0
            while started(name, text, n_starts) == "REQUEUED":
                n_starts += 1

    threads = [threading.Thread(target=run, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def started(name: str, text: str, n_before: int) -> str:
    """Start a job and wait for its end; its state then."""
    number, _, task = name.partition("_")
    node = f"node{n_before}-{name}"
    env = {**os.environ, "SLURM_JOB_ID": number, "SLURM_PROCID": "0", "SLURMD_NODENAME": node}
    env["FAKE_SLURM_JOB"] = name
    if task:
        env |= {"SLURM_ARRAY_JOB_ID": number, "SLURM_ARRAY_TASK_ID": task}
    (jobs() / name).write_text("RUNNING")
    process = psutil.Popen(["bash", str(jobs() / f"{number}.sh")], env=env)
    with (jobs() / f"{name}.log").open("a") as log:
        if n_before == 0:
            limit(process, name, text)
        code = process.wait()
        state = (jobs() / name).read_text()
        if state == "RUNNING":
            state = "FAILED" if code else "COMPLETED"
            (jobs() / name).write_text(state)
        log.write(f"{node} {state}\n")
    return state


def limit(process: psutil.Popen, name: str, text: str) -> None:
    """Give notice to a job when its time is nearly up, and then kill it."""
    output = re.search(r"--output=(\S+)", text)
    notice = re.search(r"--signal=(\w+)@(\d+)", text)
    assert output
    assert notice
    file = Path(of_job(output[1], name))
    while process.poll() is None:
        if file.exists() and re.search(os.environ[TIME_IS_UP], file.read_text()):
            break
        time.sleep(0.02)
    steps = process.children(recursive=True) if process.is_running() else []
    for step in steps:
        step.send_signal(getattr(signal, f"SIG{notice[1]}"))
    _, alive = psutil.wait_procs(steps, timeout=int(notice[2]))
    for step in alive:
        step.kill()


def of_job(pattern: str, name: str) -> str:
    """The path that a pattern of Slurm's means for a job."""
    number, _, task = name.partition("_")
    for sign, text in (("%A", number), ("%a", task), ("%j", name), ("%t", "0")):
        pattern = pattern.replace(sign, text)
    return pattern


def jobs() -> Path:
    return Path(os.environ[FOLDER])


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
