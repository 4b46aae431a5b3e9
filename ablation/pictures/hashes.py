"""Hashes of contents, as text."""

import hashlib
from collections.abc import Iterable


def sha256(content: bytes) -> str:
    """The SHA-256 of some bytes: 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def digest(lines: Iterable[str]) -> str:
    """One SHA-256 of several lines of text: 64 hexadecimal digits."""
    return sha256(b"".join(line.encode() + b"\n" for line in lines))
