"""Pictures that look alike in two splits: copies that were resized, compressed again or brightened.

Two perceptual hashes of 64 bits each, by the package ImageHash: of the lowest frequencies (Zauner
2010, *Implementation and Benchmarking of Perceptual Image Hash Functions*) and of the differences
between neighbours. Both have to agree: pictures that merely have the same layout agree in one.
"""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from ablation.pictures.decode import Pixels

#: Two hashes of one picture; (0, 0) where it has too little to see.
Look = tuple[int, int]
NOTHING: Look = (0, 0)
#: The most bits in which each hash of two pictures may differ that count as alike.
MOST_BITS = 6
#: Pictures with a shorter side, in pixels, are too small to tell: all digits look alike.
LEAST_SIDE = 32
#: Pixels of the shorter side that are looked at, at least, of a picture that has as many.
SIDE = 128
#: Standard deviation of the grey values, 0..255, below which there is nothing but noise.
LEAST_SPREAD = 2
#: The most pairs that are compared, some twenty seconds, and how many at once.
MOST_PAIRS, BLOCK = 10**9, 10**7
#: Bits that a hash is cut into: of two that differ in `MOST_BITS` at most, one part is equal.
PARTS = tuple(zip((0, 10, 19, 28, 37, 46, 55), (10, 9, 9, 9, 9, 9, 9), strict=True))


def look(pixels: Pixels) -> Look:
    """The hashes of a picture.

    Args:
        pixels: shape (height, width, 3).
    """
    height, width = pixels.shape[:2]
    if min(height, width) < LEAST_SIDE:
        return NOTHING
    picture = Image.fromarray(np.ascontiguousarray(pixels)).convert("L")
    if min(height, width) >= 2 * SIDE:
        picture = picture.reduce(min(height, width) // SIDE)
    counts = np.array(picture.histogram())
    values = np.arange(256)
    mean = counts @ values / counts.sum()
    if counts @ (values - mean) ** 2 / counts.sum() < LEAST_SPREAD**2:
        return NOTHING
    import imagehash

    return _as_number(imagehash.phash(picture).hash), _as_number(imagehash.dhash(picture).hash)


def alike(ours: Sequence[Look], theirs: Sequence[Look]) -> list[tuple[int, int]] | None:
    """The pictures that look like one of others.

    Only those pairs are compared that agree in a part of each hash (the pigeonhole principle), of
    which there are few: no pair that counts as alike is missed.

    Args:
        ours: the hashes of the others.
        theirs: of the pictures.

    Returns:
        Of each such picture, the index of the nearest of the others, and its own; None where more
        than `MOST_PAIRS` pairs would have to be compared.
    """
    ours_at, our_looks = _distinct(ours)
    _, their_looks = _distinct(theirs)
    nearest = np.full(len(their_looks), -1)
    distance = np.full(len(their_looks), MOST_BITS + 1)
    n_pairs = 0
    for first, second in itertools.product(PARTS, PARTS):
        order, at, counts = _agreeing(our_looks, their_looks, first, second)
        n_pairs += int(counts.sum())
        if n_pairs > MOST_PAIRS:
            return None
        for left, right in _in_blocks(order, at, counts):
            far = np.bitwise_count(our_looks[left] ^ their_looks[right]).max(1)
            found = np.flatnonzero(far <= MOST_BITS)
            # The nearest, and of several the first: it is the last to be written.
            found = found[np.lexsort((-ours_at[left[found]], -far[found].astype(int)))]
            left, right, far = left[found], right[found], far[found]
            is_nearer = (far < distance[right]) | (
                (far == distance[right]) & (ours_at[left] < ours_at[nearest[right]])
            )
            nearest[right[is_nearer]] = left[is_nearer]
            distance[right[is_nearer]] = far[is_nearer]
    nearest_of = dict(zip(map(tuple, their_looks.tolist()), nearest.tolist(), strict=True))
    asked = [(at, nearest_of.get(look, -1)) for at, look in enumerate(theirs)]
    return [(int(ours_at[near]), at) for at, near in asked if near >= 0]


def _distinct(looks: Sequence[Look]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint64]]:
    """Each look that shows something, once: where it is first, and its hashes, shape (n, 2)."""
    values = np.array(looks, dtype=np.uint64).reshape(-1, 2)
    distinct, at = np.unique(values, axis=0, return_index=True)
    shows = distinct.any(1)
    return at[shows], distinct[shows]


Part = tuple[int, int]


def _agreeing(
    ours: npt.NDArray[np.uint64], theirs: npt.NDArray[np.uint64], first: Part, second: Part
) -> tuple[npt.NDArray[np.int64], ...]:
    """Which looks agree in a part of each hash.

    Returns:
        An order of ours, and for each of theirs where in this order the equal ones begin, and how
        many there are.
    """

    def key(looks: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint32]:
        cut = [
            (looks[:, column] >> np.uint64(start)) & np.uint64(2**width - 1)
            for column, (start, width) in enumerate((first, second))
        ]
        return (cut[0] << np.uint64(second[1]) | cut[1]).astype(np.uint32)

    # Sorted together with their places in one number: some ten times faster than an argsort.
    placed = np.sort(
        key(ours).astype(np.uint64) << np.uint64(32) | np.arange(len(ours), dtype=np.uint64)
    )
    order = (placed & np.uint64(2**32 - 1)).astype(np.int64)
    keys, asked = (placed >> np.uint64(32)).astype(np.uint32), key(theirs)
    begin = np.searchsorted(keys, asked, "left")
    return order, begin, np.searchsorted(keys, asked, "right") - begin


def _in_blocks(
    order: npt.NDArray[np.int64], begin: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """The pairs that agree, as indices of ours and of theirs, at most some `BLOCK` at once."""
    ends = np.cumsum(counts)
    first = 0
    while first < len(counts):
        done = ends[first - 1] if first else 0
        last = max(int(np.searchsorted(ends, done + BLOCK, "right")), first + 1)
        n = counts[first:last]
        right = np.repeat(np.arange(first, last), n)
        within = np.arange(len(right)) - np.repeat(np.cumsum(n) - n, n)
        yield order[np.repeat(begin[first:last], n) + within], right
        first = last


def _as_number(bits: npt.NDArray[np.bool_]) -> int:
    return int.from_bytes(np.packbits(bits.ravel()).tobytes(), "big")
