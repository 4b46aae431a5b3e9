"""Commands of a process that has imported their libraries once: a test need not wait for torch.

Most of what a small command takes is its imports. So a template imports them, and each command is a
fork of it: a process of its own, with its own folder, environment, arguments, output and exit code.
What a person's shell does is not the same in two ways: a module that a command forgot to import is
there, and a name of the environment that a library reads while it is imported has no effect. So the
main command starts from nothing, from the checkout and from the wheel; most others are forks.

Run as a script, it is the template: it reads orders, one JSON object a line, and answers each with
the command's exit code.
"""

import contextlib
import gc
import importlib
import json
import multiprocessing.process
import os
import pkgutil
import runpy
import signal
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path

#: What the commands import late, beside the modules of the package.
LATE = ("timm", "mlflow", "mlflow.store.tracking.sqlalchemy_store", "scipy.stats", "pandas")
#: Numba reads the number of threads, which a command decides, while it is imported.
NOT = tuple(f"ablation.network.cpu.{name}" for name in ("kernels", "layers", "replace"))
#: What a command sets before it imports MLflow.
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "GIT_PYTHON_REFRESH": "quiet"}
#: Names of the environment that a command reads when it needs them, and not while it imports.
READ_LATE = {"PYTHONPATH", "MLFLOW_TRACKING_URI", "ABLATION_CACHE"}
#: A command that takes longer than this, in seconds, has failed.
LONGEST = 600.0
#: The exit code of a command that was ended for it.
TOO_LONG = -int(signal.SIGKILL)


class Template:
    """The process whose forks the commands are."""

    def __init__(self, pythonpath: str) -> None:
        env = {**os.environ, **QUIET, "PYTHONPATH": pythonpath, "PYTHONWARNINGS": "ignore"}
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).resolve())],
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(
        self, module: str, arguments: list[str], cwd: Path, env: dict[str, str], said: Path
    ) -> int:
        """`python -m MODULE ARGUMENTS`; what it prints is in the files `said`.out and .err.

        Raises:
            TimeoutError: it took too long, and was ended.
        """
        order = {
            "module": module,
            "arguments": arguments,
            "cwd": str(cwd),
            "env": env,
            "said": str(said),
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        code = int(self._process.stdout.readline())
        if code == TOO_LONG:
            raise TimeoutError(f"{module} {' '.join(arguments)}: ended after {LONGEST:.0f} s")
        return code

    def close(self) -> None:
        """End the template."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def main() -> None:
    """Import, then fork for each order."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    gc.disable()
    _import_all()
    gc.freeze()
    gc.enable()
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if not child:
            answers.close()
            _become(order)
        answers.write(f"{_wait(child)}\n")
        answers.flush()


def _import_all() -> None:
    """Import what commands do, so that their forks need not."""
    import ablation
    from ablation.compat import import_torchvision

    import_torchvision()
    own = (one.name for one in pkgutil.walk_packages(ablation.__path__, "ablation."))
    for name in (*(name for name in own if not name.endswith("__main__")), *LATE):
        if not name.startswith(NOT):
            importlib.import_module(name)
    assert "numba" not in sys.modules
    assert threading.active_count() == 1, "a fork has none of the threads of its parent"


def _wait(child: int) -> int:
    """A child's exit code, when it has ended."""
    end = time.monotonic() + LONGEST
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return TOO_LONG


def _become(order: dict[str, object]) -> None:
    """Be the command that was ordered, to its end."""
    os.setpgid(0, 0)
    cwd = str(order["cwd"])
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(order["env"])
    for number, name in ((0, os.devnull), (1, f"{order['said']}.out"), (2, f"{order['said']}.err")):
        opened = os.open(name, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = os.fdopen(0, closefd=False)
    sys.path[0] = cwd
    # The folder in which the children of a child look for its main module.
    multiprocessing.process.ORIGINAL_DIR = cwd
    sys.argv = [str(order["module"]), *order["arguments"]]
    code = 1
    try:
        runpy.run_module(str(order["module"]), run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    # Whatever is to happen at an interpreter's end happens: threads are waited for, pools closed.
    sys.exit(code)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
