"""The pictures of one split, decoded once and kept in memory as far as they fit.

How pictures are divided into splits is in `divide`, how splits are found in folders in `folders`.
"""

import copy
import hashlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ablation import process
from ablation.pictures import near
from ablation.pictures.decode import Facts, Pixels, Reading, decode, read_and_decode
from ablation.pictures.near import Look


@dataclass(frozen=True)
class Picture:
    """One picture, not yet decoded.

    Attributes:
        name: its path below the root.
        label: the index of its class.
        read: returns the bytes of its file.
        group: what it belongs to, such as a patient; pictures of one group are in one split.
    """

    name: str
    label: int
    read: Callable[[], bytes]
    group: str | None = None


class Split:
    """Pictures that serve one purpose: to train, to validate, or to test.

    Attributes:
        names: the path of each picture below the root.
        labels: shape (n,), indices of the classes.
        keys: shape (n,), 64 bits of the hash of each file: the seed of a picture's views.
        contents: the SHA-256 of each file.
        digest: of names, labels, files, and of how the files are read.
        facts: what decoding tells of each picture; None of one that can't be decoded.
        looks: what tells whether a picture looks like another, see `near`.
        bytes: the size of all pictures, decoded.
        unreadable: a line on each picture that can't be read or decoded.
    """

    names: list[str]
    labels: npt.NDArray[np.int64]
    keys: npt.NDArray[np.uint64]
    digest: str

    def __init__(
        self,
        pictures: Sequence[Picture],
        keep_bytes: float,
        reading: Reading | None = None,
        *,
        skips: bool = False,
    ) -> None:
        """Decode all pictures.

        Args:
            pictures: the pictures of the split.
            keep_bytes: how many bytes of decoded pictures are kept; the others are decoded again
                whenever they are used.
            reading: how the values in a file become pixels.
            skips: whether pictures that can't be decoded are left out.
        """
        self._pictures: list[Picture] = []
        self._reading = reading or Reading()
        self._kept: list[Pixels | None] = []
        self.contents: list[str] = []
        self.facts: list[Facts | None] = []
        self.looks: list[Look] = []
        self.unreadable: list[str] = []
        self.bytes = 0
        with ThreadPoolExecutor() as threads:
            decoded = process.results(threads, self._read_and_decode, pictures)
            for picture, (content, result) in zip(pictures, decoded, strict=True):
                if isinstance(result, str):
                    self.unreadable.append(f"{picture.name}: {result}")
                    if skips:
                        continue
                self._pictures.append(picture)
                self.contents.append(content)
                if isinstance(result, str):
                    self._kept.append(None)
                    self.facts.append(None)
                    self.looks.append(near.NOTHING)
                    continue
                pixels, facts, look = result
                self.looks.append(look)
                self.bytes += pixels.nbytes
                self._kept.append(pixels if self.bytes <= keep_bytes else None)
                self.facts.append(facts)
        self._describe()

    def _describe(self) -> None:
        """Set what follows from the pictures and their contents."""
        self.names = [picture.name for picture in self._pictures]
        self.labels = np.array([picture.label for picture in self._pictures], dtype=np.int64)
        self.keys = np.array([int(content[:16], 16) for content in self.contents], dtype=np.uint64)
        lines = zip(self.names, self.labels.tolist(), self.contents, strict=True)
        self.digest = digest([repr(self._reading), *(repr(line) for line in lines)])

    def __len__(self) -> int:
        return len(self.names)

    @property
    def is_kept(self) -> bool:
        """Whether all pictures are in memory, decoded."""
        return all(pixels is not None for pixels in self._kept)

    @property
    def groups(self) -> list[str | None]:
        """What each picture belongs to, such as a patient."""
        return [picture.group for picture in self._pictures]

    def subset(self, indices: Iterable[int]) -> "Split":
        """Some of the pictures, in this order; what is decoded is shared, not decoded again."""
        found, places = copy.copy(self), list(indices)
        for name in ("_pictures", "_kept", "contents", "facts", "looks"):
            values = getattr(self, name)
            setattr(found, name, [values[place] for place in places])
        found.bytes = sum(pixels.nbytes for pixels in found._kept if pixels is not None)
        found._describe()
        return found

    def pixels(self, index: int) -> Pixels:
        """One picture, decoded: shape (height, width, 3), 0..255."""
        kept = self._kept[index]
        return decode(self._pictures[index].read(), self._reading)[0] if kept is None else kept

    def _read_and_decode(self, picture: Picture) -> tuple[str, tuple[Pixels, Facts, Look] | str]:
        """The SHA-256 of a file, and its pixels or the reason why it has none."""
        content, result = read_and_decode(picture.read, self._reading)
        if isinstance(result, str):
            return sha256(content), result
        return sha256(content), (*result, near.look(result[0]))


def sha256(content: bytes) -> str:
    """The SHA-256 of some bytes: 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def digest(lines: Iterable[str]) -> str:
    """One SHA-256 of several lines of text: 64 hexadecimal digits."""
    return sha256(b"".join(line.encode() + b"\n" for line in lines))
