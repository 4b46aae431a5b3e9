"""The pictures of one split: what is known of them, and their pixels when they are used.

How pictures are divided into splits is in `divide`, how splits are found in folders in `folders`.
"""

import copy
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from ablation.pictures import near
from ablation.pictures.decode import Facts, Pixels, Reading
from ablation.pictures.describe import Picture, describe
from ablation.pictures.hashes import digest
from ablation.pictures.index import Described, Index
from ablation.pictures.kept import Kept
from ablation.pictures.near import Look


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
        sizes: shape (n, 2), height and width of each picture in pixels.
        unreadable: a line on each picture that can't be read or decoded.
    """

    names: list[str]
    labels: npt.NDArray[np.int64]
    keys: npt.NDArray[np.uint64]
    sizes: npt.NDArray[np.int64]
    digest: str

    def __init__(
        self,
        pictures: Sequence[Picture],
        keep_bytes: float,
        reading: Reading | None = None,
        *,
        skips: bool = False,
        index: Index | None = None,
    ) -> None:
        """Describe all pictures; those that are not in the index are decoded for it.

        Args:
            pictures: the pictures of the split.
            keep_bytes: how many bytes of decoded pictures are kept; the others are decoded again
                whenever they are used.
            reading: how the values in a file become pixels.
            skips: whether pictures that can't be decoded are left out.
            index: what is known of files from before.
        """
        self._reading = reading or Reading()
        self._pictures: list[Picture] = []
        self.contents: list[str] = []
        self.facts: list[Facts | None] = []
        self.looks: list[Look] = []
        self.unreadable: list[str] = []
        self._sizes: list[tuple[int, int]] = []
        self._kept = Kept(keep_bytes, self._reading, index)
        for picture, found in zip(pictures, describe(pictures, self._reading, index), strict=True):
            about = found.about
            if isinstance(about, Described):
                self.facts.append(about.facts)
                self.looks.append(about.look)
                self._sizes.append(about.size)
            else:
                self.unreadable.append(f"{picture.name}: {about}")
                if skips:
                    continue
                self.facts.append(None)
                self.looks.append(near.NOTHING)
                self._sizes.append((0, 0))
            self._pictures.append(picture)
            self.contents.append(found.content)
            self._kept.add(picture, found.content, self._sizes[-1], found.pixels)
        self._places = list(range(len(self._pictures)))
        self._describe()

    def _describe(self) -> None:
        """Set what follows from the pictures and their contents."""
        self.names = [picture.name for picture in self._pictures]
        self.labels = np.array([picture.label for picture in self._pictures], dtype=np.int64)
        self.keys = np.array([int(content[:16], 16) for content in self.contents], dtype=np.uint64)
        self.sizes = np.array(self._sizes, dtype=np.int64).reshape(-1, 2)
        lines = zip(self.names, self.labels.tolist(), self.contents, strict=True)
        self.digest = digest([repr(self._reading), *(repr(line) for line in lines)])

    def __len__(self) -> int:
        return len(self.names)

    @property
    def bytes(self) -> int:
        """The size of all pictures, decoded."""
        return int(3 * self.sizes.prod(1).sum())

    @property
    def is_kept(self) -> bool:
        """Whether all pictures stay in memory, once they are decoded."""
        return self._kept.keeps(self._places)

    @property
    def groups(self) -> list[str | None]:
        """What each picture belongs to, such as a patient."""
        return [picture.group for picture in self._pictures]

    def subset(self, indices: Iterable[int]) -> "Split":
        """Some of the pictures, in this order; what is decoded is shared, not decoded again."""
        found, places = copy.copy(self), list(indices)
        for name in ("_pictures", "_places", "_sizes", "contents", "facts", "looks"):
            values = getattr(self, name)
            setattr(found, name, [values[place] for place in places])
        found._describe()
        return found

    def decode(self) -> None:
        """Decode, on all cores, the pictures that are kept and were not yet used.

        Raises:
            DataError: a file is no longer what it was.
        """
        self._kept.decode(self._places)

    def pixels(self, index: int) -> Pixels:
        """One picture, decoded: shape (height, width, 3), 0..255.

        Raises:
            DataError: its file is no longer what it was.
        """
        return self._kept.pixels(self._places[index])
