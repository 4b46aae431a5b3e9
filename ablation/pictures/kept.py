"""Pixels of pictures, decoded when they are used and kept in memory as far as they fit."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from ablation import process
from ablation.pictures.decode import DecodeError, Pixels, Reading, decode
from ablation.pictures.describe import Picture
from ablation.pictures.errors import DataError
from ablation.pictures.hashes import sha256
from ablation.pictures.index import Index

#: The share of the limit up to which pixels are kept before a picture is used. A set that is larger
#: takes little memory while it is looked through.
EARLY = 0.25


class Kept:
    """The pixels of pictures. The first that fit together are kept, whenever they are used first.

    Several threads may use it at once: two that want one picture may both decode it.
    """

    def __init__(self, limit_bytes: float, reading: Reading, index: Index | None = None) -> None:
        """
        Args:
            limit_bytes: the most that all kept pictures take together.
            reading: how the values in a file become pixels.
            index: that a file is taken out of which is not what it was.
        """
        self._limit = limit_bytes
        self._reading = reading
        self._index = index
        self._pictures: list[Picture] = []
        self._contents: list[str] = []
        self._n_bytes = 0
        self._n_kept = 0
        self._pixels: dict[int, Pixels] = {}

    def add(
        self, picture: Picture, content: str, size: tuple[int, int], pixels: Pixels | None
    ) -> None:
        """Add a picture.

        Args:
            picture: that is added.
            content: the SHA-256 of its file.
            size: height and width in pixels.
            pixels: decoded, where they are there already.
        """
        place = len(self._pictures)
        self._pictures.append(picture)
        self._contents.append(content)
        self._n_bytes += 3 * size[0] * size[1]
        if self._n_bytes <= self._limit:
            self._n_kept = place + 1
            if pixels is not None and self._n_bytes <= self._limit * EARLY:
                self._pixels[place] = pixels

    def keeps(self, places: Sequence[int]) -> bool:
        """Whether all of these pictures are kept, once they are used."""
        return max(places, default=-1) < self._n_kept

    def decode(self, places: Sequence[int]) -> None:
        """Decode the pictures that are kept and were not yet used, on all cores.

        Raises:
            DataError: a file is no longer what it was.
        """
        missing = [at for at in places if at < self._n_kept and at not in self._pixels]
        if missing:
            with ThreadPoolExecutor() as threads:
                for _ in process.results(threads, self.pixels, missing):
                    pass

    def pixels(self, place: int) -> Pixels:
        """One picture, decoded: shape (height, width, 3), 0..255.

        Raises:
            DataError: its file is no longer what it was.
        """
        found = self._pixels.get(place)
        if found is None:
            found = self._decoded(place)
            if place < self._n_kept:
                self._pixels[place] = found
        return found

    def _decoded(self, place: int) -> Pixels:
        picture = self._pictures[place]
        try:
            content = picture.read()
            if sha256(content) == self._contents[place]:
                return decode(content, self._reading)[0]
            why = "has changed since it was first read"
        except (OSError, DecodeError) as error:
            why = f"can no longer be read ({error})"
        if self._index and picture.path:
            self._index.forget(picture.path)
        raise DataError(f"{picture.name}: {why}; start the command again")
