"""One process of this machine at a time, where two would be in each other's way."""

import contextlib
import hashlib
import os
import sys
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
    file = Path(tempfile.gettempdir()) / f"ablation-{user}-{name}.lock"
    with FileLock(file) if sys.platform == "win32" else _locked(file):
        yield


@contextlib.contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Hold a file's lock, and remove the file; filelock leaves it, except on Windows.

    It is removed while the lock is held. Who waited for the lock of a file that is gone then tries
    that of the new one.
    """
    import fcntl

    while True:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if not _is(descriptor, file):
                continue
            try:
                yield
            finally:
                file.unlink(missing_ok=True)
            return
        finally:
            os.close(descriptor)


def _is(descriptor: int, file: Path) -> bool:
    """Whether an open file is still the one of this name."""
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), file.stat())
    return False
