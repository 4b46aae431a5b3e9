"""One process of this machine at a time, where two would be in each other's way."""

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Within the context no other process of this user works on a path.

    Args:
        path: what is worked on; nothing is written beside it.
    """
    name = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]
    user = os.getuid() if hasattr(os, "getuid") else ""
    with FileLock(Path(tempfile.gettempdir()) / f"ablation-{user}-{name}.lock"):
        yield
