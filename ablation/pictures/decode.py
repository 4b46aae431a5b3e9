"""Decodes picture files: from bytes to pixels, or to the reason why a file can't be decoded.

Training and prediction decode with the same function and the run's settings. Imports no torch.
"""

import hashlib
import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from ablation.config import DataConfig
from ablation.pictures import heic

Pixels = npt.NDArray[np.uint8]

#: Pillow's modes of one channel whose values need more than 8 bits.
DEEP_MODES = ("I", "I;16", "I;16B", "I;16L", "I;16N", "F")
#: Formats whose integers of up to 16 bits use their whole range, by definition or in Pillow.
FULL_RANGE = ("PNG", "TIFF", "PPM", "JPEG2000")
#: TIFF's tags and values of them (TIFF 6.0, sections 8 and 19).
BITS, PHOTOMETRIC, PLANAR, SAMPLE_FORMAT = 258, 262, 284, 339
WHITE_IS_ZERO, SEPARATE, UNSIGNED = 0, 2, 1
#: First bytes of TIFF and BigTIFF files, in either byte order.
TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
#: Formats whose further frames are layers or previews, not pictures.
SINGLE = ("MPO", "PSD")

# Pillow warns above a number of pixels and raises an error above twice that number, which `decode`
# reports.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


class DecodeError(Exception):
    """A file that can't be decoded; its text says why, without the file's name."""


@dataclass(frozen=True)
class Reading:
    """How the values in a file become pixels.

    Attributes:
        background: red, green and blue, 0..255, shown through transparent pixels.
        value_range: the values of black and white in files that don't say; None refuses these.
    """

    background: tuple[int, int, int] = (255, 255, 255)
    value_range: tuple[float, float] | None = None

    @classmethod
    def of(cls, config: DataConfig) -> "Reading":
        """What the settings of a run say of it."""
        red, green, blue = config.background
        if config.value_range is None:
            return cls((red, green, blue))
        low, high = config.value_range
        return cls((red, green, blue), (low, high))


class Facts(NamedTuple):
    """What decoding tells of a picture, for remarks on it.

    Attributes:
        pixel_hash: a hash of some of the pixels: equal for equal pictures, rarely for others.
        is_constant: whether all pixels are equal.
        n_frames: frames or pages in the file; the first is the picture.
        values: the smallest and the largest value, where values need more than 8 bits.
        value_range: the values that became 0 and 255, where values need more than 8 bits.
    """

    pixel_hash: bytes
    is_constant: bool
    n_frames: int = 1
    values: tuple[float, float] | None = None
    value_range: tuple[float, float] | None = None


def decode(content: bytes, reading: Reading) -> tuple[Pixels, Facts]:
    """Decode a picture file.

    Args:
        content: the file's bytes.
        reading: how its values become pixels.

    Returns:
        The pixels, turned upright as the file's EXIF data say: shape (height, width, 3), RGB,
        0..255. And what decoding tells of the picture.

    Raises:
        DecodeError: the file is not a picture, is damaged, or does not say which of its values are
            black and white.
    """
    try:
        heic.is_read()
        with Image.open(io.BytesIO(content)) as picture:
            return _decode(picture, content, reading)
    except UnidentifiedImageError as error:
        raise DecodeError(_why_not_a_picture(content)) from error
    except Image.DecompressionBombError as error:
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        raise DecodeError(f"has more than {most:,} pixels, the most that are read") from error
    except (DecodeError, KeyboardInterrupt):
        raise
    # Pillow's decoders raise many kinds of errors on damaged files.
    except Exception as error:
        kind = "" if isinstance(error, OSError) else f"{type(error).__name__}: "
        raise DecodeError(f"{kind}{error}") from error


def read_and_decode(
    read: Callable[[], bytes], reading: Reading
) -> tuple[bytes, tuple[Pixels, Facts] | str]:
    """Read and decode a picture file.

    Args:
        read: returns the file's bytes, or raises an OSError.
        reading: how its values become pixels.

    Returns:
        The file's bytes, empty where it can't be read. And what `decode` returns, or the reason why
        the file can't be read or decoded.
    """
    try:
        content = read()
    except OSError as error:
        return b"", error.strerror or str(error)
    try:
        return content, decode(content, reading)
    except DecodeError as error:
        return content, str(error)


def _decode(picture: Image.Image, content: bytes, reading: Reading) -> tuple[Pixels, Facts]:
    tags = dict(getattr(picture, "tag_v2", {}))
    _refuse_what_pillow_misreads(picture, content, tags)
    n_frames = 1 if picture.format in SINGLE else getattr(picture, "n_frames", 1)
    ImageOps.exif_transpose(picture, in_place=True)
    values = value_range = None
    if picture.mode in DEEP_MODES or _sample_format(tags) != UNSIGNED:
        deep = _deep_values(picture, tags)
        values = float(deep.min()), float(deep.max())
        value_range = _value_range(picture, deep, tags, reading)
        pixels = _scaled_to_pixels(picture, deep, value_range, tags, reading)
    elif picture.has_transparency_data:
        pixels = np.asarray(_on_background(picture, content, reading.background))
    else:
        pixels = np.asarray(picture if picture.mode == "RGB" else picture.convert("RGB"))
    return pixels, Facts(_hash(pixels), _is_constant(pixels), n_frames, values, value_range)


def _why_not_a_picture(content: bytes) -> str:
    if not content:
        return "an empty file"
    if content.startswith(TIFF_MAGIC):
        return (
            "a TIFF of a kind that is not read, such as colours of 32 bits or floats; "
            "save it with 8 bits a channel"
        )
    if content[4:8] == b"ftyp":
        return "a video, or a HEIC or AVIF picture that Pillow does not read; convert it"
    return "not a picture"


def _refuse_what_pillow_misreads(
    picture: Image.Image, content: bytes, tags: dict[int, Any]
) -> None:
    """Refuse files of which Pillow would decode wrong pixels without an error."""
    if tags.get(PLANAR) == SEPARATE and max(tags.get(BITS, (1,))) > 8:
        raise DecodeError(
            "a TIFF of 16 bits whose channels are stored one after the other, which Pillow reads "
            "wrongly; save it with interleaved channels, or with 8 bits"
        )
    is_key = isinstance(picture.info.get("transparency"), tuple)
    if picture.format == "PNG" and is_key and _png_bits(content) == 16:
        raise DecodeError(
            "a PNG of 16 bits with a transparent colour, of which Pillow reads only 8 bits; "
            "save it with an alpha channel"
        )


def _png_bits(content: bytes) -> int:
    """Bits of each channel, from the header of a PNG."""
    return content[24]


def _sample_format(tags: dict[int, Any]) -> int:
    """The type of a TIFF's numbers; other formats have unsigned ones, or a mode for others."""
    formats = tags.get(SAMPLE_FORMAT, (UNSIGNED,))
    return int(formats[0] if isinstance(formats, tuple) else formats)


def _deep_values(picture: Image.Image, tags: dict[int, Any]) -> npt.NDArray[Any]:
    """The values of a grey picture as they are in the file: shape (height, width)."""
    values = np.asarray(picture)
    # Pillow has no modes for signed bytes and unsigned integers of 32 bits.
    if values.dtype == np.uint8:
        values = values.view(np.int8)
    elif values.dtype == np.int32 and tags.get(BITS) == (32,) and _sample_format(tags) == UNSIGNED:
        values = values.view(np.uint32)
    if values.ndim != 2:
        raise DecodeError("its colours are signed numbers; save it with 8 bits a channel")
    if not np.isfinite(values).all():
        raise DecodeError("some of its values are not finite (NaN or infinity)")
    return values


def _value_range(
    picture: Image.Image, values: npt.NDArray[Any], tags: dict[int, Any], reading: Reading
) -> tuple[float, float]:
    """The values of black and white.

    Raises:
        DecodeError: neither the file nor the settings say it.
    """
    declared = reading.value_range
    is_float = values.dtype.kind == "f"
    # A range such as 0..1 is meant for files of floats: files of integers keep their own range.
    if declared and (is_float or declared[1] - declared[0] > 2):
        return declared
    bits = int(tags.get(BITS, (16,))[0])
    is_signed = tags and _sample_format(tags) != UNSIGNED
    if picture.format in FULL_RANGE and not is_float and not is_signed and bits <= 16:
        return 0.0, 2.0**bits - 1
    kind = "floats" if is_float else f"{'signed ' if is_signed else ''}integers of {bits} bits"
    raise DecodeError(
        f"its values are {kind}, and the file does not say which are black and white; the run "
        "needs data.value_range=[low,high], such as [0,1]"
    )


def _scaled_to_pixels(
    picture: Image.Image,
    values: npt.NDArray[Any],
    value_range: tuple[float, float],
    tags: dict[int, Any],
    reading: Reading,
) -> Pixels:
    """Values scaled so that `value_range` becomes 0..255, and clipped to it."""
    if values.dtype.itemsize == 2 and values.dtype.kind == "u":
        levels = _scaled(np.arange(2.0**16), value_range)[values]
    else:
        levels = _scaled(values.astype(np.float64), value_range)
    if tags.get(PHOTOMETRIC) == WHITE_IS_ZERO:
        levels = 255 - levels
    pixels = np.repeat(levels[..., None], 3, axis=2)
    if isinstance(picture.info.get("transparency"), int):
        pixels[values == picture.info["transparency"]] = reading.background
    return pixels


def _scaled(values: npt.NDArray[np.float64], value_range: tuple[float, float]) -> Pixels:
    """Scaled in place, because pictures may be large."""
    low, high = value_range
    values -= low
    values *= 255 / (high - low)
    return np.rint(values, out=values).clip(0, 255, out=values).astype(np.uint8)


def _on_background(
    picture: Image.Image, content: bytes, background: tuple[int, int, int]
) -> Image.Image:
    """The picture as a viewer shows it on a background of this colour."""
    key = picture.info.get("transparency")
    if picture.format == "PNG" and picture.mode == "L" and isinstance(key, int):
        # Pillow scales pixels of 2 and 4 bits to 0..255, but not the transparent colour.
        picture.info["transparency"] = key * 255 // (2 ** _png_bits(content) - 1)
    if picture.mode == "La":
        picture = picture.convert("LA")
    above = picture.convert("RGBA")
    below = Image.new("RGBA", above.size, (*background, 255))
    return Image.alpha_composite(below, above).convert("RGB")


def _hash(pixels: Pixels) -> bytes:
    """A hash of the shape and of at most some 64 × 64 of the pixels."""
    shape = pixels.shape[:2]
    some = _sparse(pixels).tobytes()
    return hashlib.blake2b(some, digest_size=8, person=repr(shape).encode()[:16]).digest()


def _is_constant(pixels: Pixels) -> bool:
    # Nearly all pictures are told by some of their pixels.
    first = pixels[0, 0]
    return bool((_sparse(pixels) == first).all()) and bool((pixels == first).all())


def _sparse(pixels: Pixels) -> Pixels:
    """Some of the pixels, evenly spread: 32 to 63 along a side of 32 or more."""
    rows, columns = (max(1, side // 32) for side in pixels.shape[:2])
    return pixels[::rows, ::columns]
