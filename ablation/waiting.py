"""How the threads that compute wait for each other."""

import os
from collections.abc import MutableMapping

#: Turns of its empty loop after which a waiting thread goes to sleep.
SPINS = "1000"


def share_cores(environment: MutableMapping[str, str] = os.environ) -> None:
    """Let waiting threads sleep soon, so that a training leaves room for other work.

    By itself GNU's OpenMP, with which torch and numba compute, lets a thread that waits for the
    others turn in an empty loop for milliseconds. Beside other work the core that it keeps busy is
    the one that those others wait for, and a training becomes ten times slower.
    tests/benchmarks/busy.py measures it. To be called before torch is loaded.

    Args:
        environment: where OMP_WAIT_POLICY or GOMP_SPINCOUNT, if set, are left as they are.
    """
    if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & set(environment):
        environment["GOMP_SPINCOUNT"] = SPINS
