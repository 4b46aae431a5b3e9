"""Pictures that serve one purpose, decoded once and kept in memory as far as they fit."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from ablation.pictures.decode import DecodeError, Facts, Pixels, Reading, decode


@dataclass(frozen=True)
class Picture:
    """One picture, not yet decoded."""

    name: str  # its path below the root
    label: int  # index into the classes
    read: Callable[[], bytes]


class Split:
    """Pictures that serve one purpose: to train, to validate, or to test.

    Attributes:
        names: each picture's path below the root.
        labels: shape (n,), indices into the classes.
        keys: shape (n,), 64 bits of each file's digest: what a view is drawn from.
        contents: each file's own digest.
        digest: of names, labels, contents, and how they are read.
        facts: what decoding each told; None of one that can't be read.
        bytes: of all pictures, decoded.
        unreadable: a line on each picture that can't be read.
    """

    def __init__(
        self, pictures: Sequence[Picture], keep_bytes: float, reading: Reading | None = None
    ) -> None:
        self.names = [picture.name for picture in pictures]
        self.labels = np.array([picture.label for picture in pictures], dtype=np.int64)
        self._pictures = pictures
        self._reading = reading or Reading()
        self._kept: list[Pixels | None] = []
        self.contents: list[str] = []
        self.facts: list[Facts | None] = []
        self.unreadable: list[str] = []
        self.bytes = 0
        with ThreadPoolExecutor() as threads:
            for picture, (content, result) in zip(
                pictures, threads.map(self._read_and_decode, pictures), strict=True
            ):
                self.contents.append(content)
                if isinstance(result, str):
                    self.unreadable.append(f"{picture.name}: {result}")
                    self._kept.append(None)
                    self.facts.append(None)
                    continue
                pixels, facts = result
                self.bytes += pixels.nbytes
                self._kept.append(pixels if self.bytes <= keep_bytes else None)
                self.facts.append(facts)
        self.keys = np.array([int(content[:16], 16) for content in self.contents], dtype=np.uint64)
        lines = zip(self.names, self.labels.tolist(), self.contents, strict=True)
        self.digest = digest([repr(self._reading), *(repr(line) for line in lines)])

    def __len__(self) -> int:
        return len(self.names)

    @property
    def is_kept(self) -> bool:
        """Whether all pictures are in memory, decoded."""
        return all(pixels is not None for pixels in self._kept)

    def pixels(self, index: int) -> Pixels:
        """One picture, decoded: shape (height, width, 3), 0..255."""
        kept = self._kept[index]
        return decode(self._pictures[index].read(), self._reading)[0] if kept is None else kept

    def _read_and_decode(self, picture: Picture) -> tuple[str, tuple[Pixels, Facts] | str]:
        """A file's digest, and its pixels or the reason why it has none."""
        try:
            content = picture.read()
        except OSError as error:
            return sha256(b""), error.strerror or str(error)
        try:
            return sha256(content), decode(content, self._reading)
        except DecodeError as error:
            return sha256(content), str(error)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def digest(lines: Iterable[str]) -> str:
    """One SHA-256 of lines of text."""
    return sha256(b"".join(line.encode() + b"\n" for line in lines))
