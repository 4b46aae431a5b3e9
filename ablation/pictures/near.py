"""Pictures that look alike in two splits: copies that were resized, compressed again or brightened.

Two perceptual hashes of 64 bits each, by the package ImageHash: of the lowest frequencies (Zauner
2010, *Implementation and Benchmarking of Perceptual Image Hash Functions*) and of the differences
between neighbours. Both have to agree: pictures that merely have the same layout agree in one.
"""

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
#: Pixels of the longer side that are looked at.
SIDE = 256
#: The most pairs that are compared, some ten seconds, and how many at once.
MOST_PAIRS, BLOCK = 10**10, 10**7


def look(pixels: Pixels) -> Look:
    """The hashes of a picture.

    Args:
        pixels: shape (height, width, 3).
    """
    height, width = pixels.shape[:2]
    if min(height, width) < LEAST_SIDE:
        return NOTHING
    step = max(1, max(height, width) // SIDE)
    picture = Image.fromarray(np.ascontiguousarray(pixels[::step, ::step])).convert("L")
    if np.asarray(picture).std() < 2:  # of 255: nothing but noise
        return NOTHING
    import imagehash

    return _as_number(imagehash.phash(picture).hash), _as_number(imagehash.dhash(picture).hash)


def alike(ours: Sequence[Look], theirs: Sequence[Look]) -> Iterator[tuple[int, int]] | None:
    """The pictures that look like one of others.

    Args:
        ours: the hashes of the others.
        theirs: of the pictures.

    Returns:
        Of each such picture, the index of the nearest of the others, and its own; None where there
        are more than `MOST_PAIRS` pairs, which are not compared.
    """
    if len(ours) * len(theirs) > MOST_PAIRS:
        return None
    return _alike(_as_array(ours), _as_array(theirs))


def _alike(
    ours: npt.NDArray[np.uint64], theirs: npt.NDArray[np.uint64]
) -> Iterator[tuple[int, int]]:
    if not len(ours):
        return
    step = max(1, BLOCK // len(ours))
    for first in range(0, len(theirs), step):
        block = theirs[first : first + step]
        far = np.bitwise_count(block[:, None] ^ ours[None]).max(2)
        far[:, ~ours.any(1)] = 255
        far[~block.any(1)] = 255
        nearest = far.argmin(1)
        for at in np.flatnonzero(far[np.arange(len(far)), nearest] <= MOST_BITS).tolist():
            yield int(nearest[at]), first + at


def _as_array(looks: Sequence[Look]) -> npt.NDArray[np.uint64]:
    return np.array(looks, dtype=np.uint64).reshape(-1, 2)


def _as_number(bits: npt.NDArray[np.bool_]) -> int:
    return int.from_bytes(np.packbits(bits.ravel()).tobytes(), "big")
