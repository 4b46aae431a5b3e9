"""Reads and describes the files of pictures, as far as they are not known from before."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from ablation import process
from ablation.pictures import near
from ablation.pictures.decode import Pixels, Reading, read_and_decode
from ablation.pictures.hashes import sha256
from ablation.pictures.index import Described, Index, Stamp

#: Pictures that are entered in the index together.
AT_ONCE = 500
#: Seconds after which processes end that have nothing more to read.
IDLE_SECONDS = 5
#: Of more new pictures than this, processes read them: they take a second to start.
MANY = 4000


class Picture(NamedTuple):
    """One picture, not yet decoded.

    Attributes:
        name: its path below the root.
        label: the index of its class.
        path: of its file, as text; empty where it has none of its own.
        group: what it belongs to, such as a patient; pictures of one group are in one split.
        made: returns the bytes of a picture that has no file.
    """

    name: str
    label: int
    path: str = ""
    group: str | None = None
    made: Callable[[], bytes] | None = None

    def read(self) -> bytes:
        """The bytes of its file.

        Raises:
            OSError: it can't be read.
        """
        if self.made:
            return self.made()
        with open(self.path, "rb") as file:
            return file.read()


class Found(NamedTuple):
    """What was found of a picture.

    Attributes:
        content: the SHA-256 of its file.
        about: its description, or why it has none.
        pixels: decoded, where it was not known from before.
    """

    content: str
    about: Described | str
    pixels: Pixels | None


#: The stamp of a picture's file, where it has one, and what was found.
Read = tuple[Stamp | None, Found]


def describe(
    pictures: Sequence[Picture], reading: Reading, index: Index | None = None
) -> Iterator[Found]:
    """What each picture is, in their order; what is new is entered in the index as it comes.

    Args:
        pictures: that are described.
        reading: how the values in a file become pixels.
        index: what is known from before.
    """
    known = index.known([one.path for one in pictures if one.path]) if index else {}
    new = [one for one in pictures if one.path not in known]
    read = _read_all(new, reading, index)
    for one in pictures:
        about = known.get(one.path)
        yield next(read) if about is None else Found(about.content, about, None)


def _read_all(
    pictures: Sequence[Picture], reading: Reading, index: Index | None
) -> Iterator[Found]:
    """Read pictures, part by part, and enter them in the index; on all cores."""
    parts = [pictures[first : first + AT_ONCE] for first in range(0, len(pictures), AT_ONCE)]
    are_files = all(one.path for one in pictures)
    in_parts = _in_processes if are_files and len(pictures) > MANY else _in_threads
    for part, read in zip(parts, in_parts(parts, reading), strict=True):
        entered: dict[str, tuple[Stamp, Described]] = {}
        for one, (stamp, found) in zip(part, read, strict=True):
            if stamp and isinstance(found.about, Described):
                entered[one.path] = stamp, found.about
            # Before the last is given away: nobody need ask for more.
            if index and one is part[-1]:
                index.enter(entered)
            yield found


def _in_threads(parts: Sequence[Sequence[Picture]], reading: Reading) -> Iterator[Iterable[Read]]:
    with ThreadPoolExecutor() as threads:
        for part in parts:
            yield process.results(threads, lambda one: _read(one, reading), part)


def _in_processes(parts: Sequence[Sequence[Picture]], reading: Reading) -> Iterator[Iterable[Read]]:
    """Without the pixels. Threads would wait for each other: half of the work is Python's."""
    from joblib import Parallel, delayed

    pool = Parallel(
        n_jobs=os.cpu_count(), return_as="generator", batch_size=1, idle_worker_timeout=IDLE_SECONDS
    )
    yield from pool(delayed(_described)(part, reading) for part in parts)


def _described(part: Sequence[Picture], reading: Reading) -> list[Read]:
    return [_without_pixels(*_read(one, reading)) for one in part]


def _without_pixels(stamp: Stamp | None, found: Found) -> Read:
    return stamp, found._replace(pixels=None)


def _read(picture: Picture, reading: Reading) -> Read:
    """Read and describe a picture; the stamp of its file is taken before."""
    try:
        stamp = Stamp.of(picture.path) if picture.path else None
    except OSError:
        stamp = None  # Reading it tells why.
    content, result = read_and_decode(picture.read, reading)
    digest = sha256(content)
    if isinstance(result, str):
        return None, Found(digest, result, None)
    pixels, facts = result
    size = pixels.shape[0], pixels.shape[1]
    return stamp, Found(digest, Described(digest, size, facts, near.look(pixels)), pixels)
