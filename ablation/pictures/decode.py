"""From a picture file's bytes to the pixels that are trained on; or the reason why there are none.

Imports no torch. Training and prediction read by the same function, with the run's settings.
"""

import hashlib
import io
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from ablation.config import DataConfig

Pixels = npt.NDArray[np.uint8]

#: Modes of one channel whose values need more than the 8 bits of a pixel here.
DEEP_MODES = ("I", "I;16", "I;16B", "I;16L", "I;16N", "F")
#: Formats whose integers of up to 16 bits use their whole range, as the format or Pillow has it.
FULL_RANGE = ("PNG", "TIFF", "PPM", "JPEG2000")
#: TIFF's tags and their values (TIFF 6.0, sections 8 and 19).
BITS, PHOTOMETRIC, PLANAR, SAMPLE_FORMAT = 258, 262, 284, 339
WHITE_IS_ZERO, SEPARATE, UNSIGNED = 0, 2, 1
#: First bytes of TIFF and BigTIFF, of either byte order.
TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
#: Formats whose further frames are no pictures of their own: layers, previews of the first.
SINGLE = ("MPO", "PSD")

# Beyond this limit Pillow only warns; beyond its double it refuses, which becomes a sentence here.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


class DecodeError(Exception):
    """No pixels can be had of a file; its text, without the file's name, says why."""


@dataclass(frozen=True)
class Reading:
    """How pixels are made of what a file holds.

    Attributes:
        background: red, green and blue, 0..255, below what is transparent.
        value_range: which values are black and white where a file does not say; None refuses it.
    """

    background: tuple[int, int, int] = (255, 255, 255)
    value_range: tuple[float, float] | None = None

    @classmethod
    def of(cls, config: DataConfig) -> "Reading":
        red, green, blue = config.background
        if config.value_range is None:
            return cls((red, green, blue))
        low, high = config.value_range
        return cls((red, green, blue), (low, high))


@dataclass(frozen=True)
class Facts:
    """What a person should know of a decoded picture.

    Attributes:
        mark: the same for the same pixels; seldom the same for others.
        is_constant: whether all its pixels are alike.
        n_frames: frames or pages of the file; the first is the picture.
        values: the smallest and the largest, where they need more than 8 bits.
        span: the values that became 0 and 255, where they need more than 8 bits.
    """

    mark: bytes
    is_constant: bool
    n_frames: int = 1
    values: tuple[float, float] | None = None
    span: tuple[float, float] | None = None


def decode(content: bytes, reading: Reading) -> tuple[Pixels, Facts]:
    """A picture file's pixels, upright: shape (height, width, 3), 0..255.

    Raises:
        DecodeError: it is no picture, a damaged one, or one that can't be read without doubt.
    """
    try:
        with Image.open(io.BytesIO(content)) as picture:
            return _decode(picture, content, reading)
    except UnidentifiedImageError as error:
        raise DecodeError(_unknown(content)) from error
    except Image.DecompressionBombError as error:
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        raise DecodeError(f"has more than {most:,} pixels, the most that are read") from error
    except (DecodeError, KeyboardInterrupt):
        raise
    # Pillow's readers raise nearly anything on a damaged file.
    except Exception as error:
        kind = "" if isinstance(error, OSError) else f"{type(error).__name__}: "
        raise DecodeError(f"{kind}{error}") from error


def _decode(picture: Image.Image, content: bytes, reading: Reading) -> tuple[Pixels, Facts]:
    tags = dict(getattr(picture, "tag_v2", {}))
    _refuse_misread(picture, content, tags)
    n_frames = 1 if picture.format in SINGLE else getattr(picture, "n_frames", 1)
    ImageOps.exif_transpose(picture, in_place=True)
    values = span = None
    if picture.mode in DEEP_MODES or _sample_format(tags) != UNSIGNED:
        deep = _values(picture, tags)
        values = float(deep.min()), float(deep.max())
        span = _span(picture, deep, tags, reading)
        pixels = _grey(picture, deep, span, tags, reading)
    elif picture.has_transparency_data:
        pixels = np.asarray(_over(picture, content, reading.background))
    else:
        pixels = np.asarray(picture if picture.mode == "RGB" else picture.convert("RGB"))
    return pixels, Facts(*_look(pixels), n_frames, values, span)


def _unknown(content: bytes) -> str:
    if not content:
        return "an empty file"
    if content.startswith(TIFF_MAGIC):
        return (
            "a TIFF of a kind that is not read, such as colours of 32 bits or floats; "
            "save it with 8 bits a channel"
        )
    if content[4:8] == b"ftyp":
        return "a film, or a HEIC or AVIF picture, which is not read here; convert it"
    return "not a picture"


def _refuse_misread(picture: Image.Image, content: bytes, tags: dict[int, Any]) -> None:
    """Of what Pillow would read wrongly without a word."""
    if tags.get(PLANAR) == SEPARATE and max(tags.get(BITS, (1,))) > 8:
        raise DecodeError(
            "a TIFF of 16 bits whose channels lie apart, which Pillow reads wrongly; "
            "save it with its channels together, or with 8 bits"
        )
    is_key = isinstance(picture.info.get("transparency"), tuple)
    if picture.format == "PNG" and is_key and _png_bits(content) == 16:
        raise DecodeError(
            "a PNG of 16 bits with a transparent colour, of which Pillow reads 8 bits; "
            "save it with an alpha channel"
        )


def _png_bits(content: bytes) -> int:
    """Bits a channel, of the file's header."""
    return content[24]


def _sample_format(tags: dict[int, Any]) -> int:
    """A TIFF's kind of numbers; others have unsigned integers, or a mode of their own."""
    formats = tags.get(SAMPLE_FORMAT, (UNSIGNED,))
    return int(formats[0] if isinstance(formats, tuple) else formats)


def _values(picture: Image.Image, tags: dict[int, Any]) -> npt.NDArray[Any]:
    """A grey picture's values as the file has them: shape (height, width)."""
    values = np.asarray(picture)
    # Pillow's modes have neither signed bytes nor unsigned integers of 32 bits.
    if values.dtype == np.uint8:
        values = values.view(np.int8)
    elif values.dtype == np.int32 and tags.get(BITS) == (32,) and _sample_format(tags) == UNSIGNED:
        values = values.view(np.uint32)
    if values.ndim != 2:
        raise DecodeError("colours of signed numbers; save it with 8 bits a channel")
    if not np.isfinite(values).all():
        raise DecodeError("some of its values are no finite numbers (NaN or infinity)")
    return values


def _span(
    picture: Image.Image, values: npt.NDArray[Any], tags: dict[int, Any], reading: Reading
) -> tuple[float, float]:
    """Which values are black and white.

    Raises:
        DecodeError: the file does not say, nor do the settings.
    """
    declared = reading.value_range
    is_float = values.dtype.kind == "f"
    # A range such as 0..1 is one of floats: integers beside them keep their own.
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


def _grey(
    picture: Image.Image,
    values: npt.NDArray[Any],
    span: tuple[float, float],
    tags: dict[int, Any],
    reading: Reading,
) -> Pixels:
    """Values scaled so that `span` becomes 0..255; beyond it they are cut."""
    if values.dtype.itemsize == 2 and values.dtype.kind == "u":
        levels = _scaled(np.arange(2.0**16), span)[values]
    else:
        levels = _scaled(values.astype(np.float64), span)
    if tags.get(PHOTOMETRIC) == WHITE_IS_ZERO:
        levels = 255 - levels
    pixels = np.repeat(levels[..., None], 3, axis=2)
    if isinstance(picture.info.get("transparency"), int):
        pixels[values == picture.info["transparency"]] = reading.background
    return pixels


def _scaled(values: npt.NDArray[np.float64], span: tuple[float, float]) -> Pixels:
    """In place, because pictures may be large."""
    low, high = span
    values -= low
    values *= 255 / (high - low)
    return np.rint(values, out=values).clip(0, 255, out=values).astype(np.uint8)


def _over(picture: Image.Image, content: bytes, background: tuple[int, int, int]) -> Image.Image:
    """What a viewer shows on a background of this colour, not what transparency hides."""
    key = picture.info.get("transparency")
    if picture.format == "PNG" and picture.mode == "L" and isinstance(key, int):
        # Pillow scales the pixels of 2 and 4 bits to 0..255 and leaves the key as it was.
        picture.info["transparency"] = key * 255 // (2 ** _png_bits(content) - 1)
    if picture.mode == "La":
        picture = picture.convert("LA")
    above = picture.convert("RGBA")
    below = Image.new("RGBA", above.size, (*background, 255))
    return Image.alpha_composite(below, above).convert("RGB")


def _look(pixels: Pixels) -> tuple[bytes, bool]:
    """A mark of the pixels, and whether all are alike: of some of them wherever that is enough."""
    steps = [max(1, side // 32) for side in pixels.shape[:2]]
    some = pixels[:: steps[0], :: steps[1]]
    mark = hashlib.blake2b(
        some.tobytes(), digest_size=8, person=repr(pixels.shape[:2]).encode()[:16]
    )
    is_constant = bool((some == pixels[0, 0]).all()) and bool((pixels == pixels[0, 0]).all())
    return mark.digest(), is_constant
