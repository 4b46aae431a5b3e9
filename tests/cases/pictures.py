"""Pictures that are easily read wrongly, and the means that a right reading gives."""

import shutil
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image

from ablation.config import DataConfig
from tests.cases.folders import USUAL, named, settings

Array = npt.NDArray[Any]

HEIGHT, WIDTH = 32, 48
#: 0..1, from left to right, uneven so that an inverted or a cut one has another mean.
RAMP = np.linspace(0, 1, WIDTH)[None].repeat(HEIGHT, 0) ** 2
U16 = (RAMP * 65535).astype(np.uint16)
U8 = (RAMP * 255).round().astype(np.uint8)
RGB = np.stack([RAMP, RAMP[:, ::-1] / 2, np.full_like(RAMP, 0.25)], -1)
RGB16 = (RGB * 65535).astype(np.uint16)
LEFT = np.arange(WIDTH)[None].repeat(HEIGHT, 0) < WIDTH // 2


@dataclass
class PictureCase:
    """A file, and the mean of each channel that it has; None where it must be refused.

    Attributes:
        file: its name.
        write: makes the file.
        means: red, green and blue, 0..255.
        settings: keys of `data` other than the defaults.
        said: what the first lines or the refusal must say.
    """

    file: str
    write: Callable[[Path], object]
    means: tuple[float, ...] | None
    settings: dict[str, object] = field(default_factory=dict)
    said: str = ""

    @property
    def name(self) -> str:
        return named(f"`{self.file}`", self.settings)


def means(values: Array) -> tuple[float, ...]:
    """Of an array of 0..1, grey or of three channels."""
    colours = values if values.ndim == 3 else np.stack([values] * 3, -1)
    return tuple(255 * colours.reshape(-1, 3).mean(0))


def over(values: Array, is_opaque: Array, background: float) -> Array:
    colours = values if values.ndim == 3 else np.stack([values] * 3, -1)
    return np.where(is_opaque[..., None], colours, background)


def save(pixels: Array, mode: str | None = None, **options: object) -> Callable[[Path], object]:
    return lambda path: Image.fromarray(pixels, mode).save(path, **options)


def tiff(values: Array, **options: Any) -> Callable[[Path], object]:
    return lambda path: tifffile.imwrite(path, values, **options)


def png(
    rows: Array, width: int, depth: int, colour: int, key: bytes = b""
) -> Callable[[Path], object]:
    """A PNG of a kind that Pillow does not write: rows of bytes, shape (height, n_bytes)."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, len(rows), depth, colour, 0, 0, 0)
    lines = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + (chunk(b"tRNS", key) if key else b"")
    content += chunk(b"IDAT", lines) + chunk(b"IEND", b"")
    return lambda path: path.write_bytes(content)


def turned(path: Path) -> None:
    """Lying on its side, with the tag that says so."""
    tag = Image.Exif()
    tag[0x0112] = 6
    Image.fromarray(np.stack([U8, U8 // 2, U8 // 4], -1)).rotate(90, expand=True).save(
        path, exif=tag
    )


def animated(path: Path) -> None:
    frames = [Image.fromarray(frame) for frame in (U8, 255 - U8)]
    frames[0].save(path, save_all=True, append_images=frames[1:])


def palette(path: Path) -> None:
    """Red that can be seen on the left, a green that can't on the right."""
    picture = Image.fromarray(np.where(LEFT, 0, 1).astype(np.uint8), "P")
    picture.putpalette([200, 0, 0, 0, 250, 0])
    picture.save(path, transparency=bytes([255, 0]))


RED = np.where(LEFT[..., None], np.array([200, 0, 0]) / 255, np.array([0, 250, 0]) / 255)
HIDDEN = np.concatenate([RED * 255, np.where(LEFT, 255, 0)[..., None]], -1).astype(np.uint8)
HALF = np.full((HEIGHT, WIDTH, 4), (100, 100, 100, 128), np.uint8)
TWO_BITS = np.full((HEIGHT, WIDTH // 4), 0b00011011, np.uint8)
KEYED = over(np.tile(np.array([0, 1, 2, 3]) / 3, (HEIGHT, WIDTH // 4)),
             np.tile(np.array([1, 1, 0, 1], bool), (HEIGHT, WIDTH // 4)), 0)  # fmt: skip
RANGE, BLACK = "data.value_range=", {"background": [0, 0, 0]}

PICTURES = [
    PictureCase("grey16.png", save(U16), means(RAMP)),
    PictureCase("grey16.tiff", tiff(U16), means(RAMP)),
    PictureCase("grey16_big_endian.tiff", tiff(U16, byteorder=">"), means(RAMP)),
    PictureCase("grey16_white_is_zero.tiff", tiff(U16, photometric="miniswhite"), means(1 - RAMP)),
    PictureCase("grey16.jp2", save(U16), means(RAMP)),
    PictureCase("grey16.pgm", save(U16), means(RAMP)),
    PictureCase("grey12.png", save((RAMP * 4095).astype(np.uint16)), means(RAMP / 16), said="dark"),
    PictureCase(
        "grey12.png",
        save((RAMP * 4095).astype(np.uint16)),
        means(RAMP),
        {"value_range": [0, 4095]},
    ),
    PictureCase("grey16.png", save(U16), means(RAMP), {"value_range": [0, 1]}),
    PictureCase(
        "colour16.png",
        png(RGB16.astype(">u2").view(np.uint8).reshape(HEIGHT, -1), WIDTH, 16, 2),
        means(RGB),
    ),
    PictureCase("colour16.tiff", tiff(RGB16, photometric="rgb"), means(RGB)),
    PictureCase(
        "colour16_planes.tiff",
        tiff(RGB16.transpose(2, 0, 1).copy(), photometric="rgb", planarconfig="separate"),
        None,
        said="channels are stored one after the other",
    ),
    PictureCase("float01.tiff", tiff(RAMP.astype(np.float32)), None, said=RANGE),
    PictureCase(
        "float01.tiff", tiff(RAMP.astype(np.float32)), means(RAMP), {"value_range": [0, 1]}
    ),
    PictureCase(
        "float01.tiff",
        tiff(RAMP.astype(np.float32)),
        means(np.minimum(RAMP, 0.5) * 2),
        {"value_range": [0, 0.5]},
        "clipped to it",
    ),
    PictureCase(
        "float_nan.tiff",
        tiff(np.where(LEFT, RAMP, np.nan).astype(np.float32)),
        None,
        {"value_range": [0, 1]},
        "NaN",
    ),
    PictureCase(
        "colour_float.tiff", tiff(RGB.astype(np.float32), photometric="rgb"), None, said="TIFF"
    ),
    PictureCase("signed16.tiff", tiff((RAMP * 2000 - 1000).astype(np.int16)), None, said=RANGE),
    PictureCase(
        "signed16.tiff",
        tiff((RAMP * 2000 - 1000).round().astype(np.int16)),
        means(RAMP),
        {"value_range": [-1000, 1000]},
    ),
    PictureCase("signed8.tiff", tiff((RAMP * 255 - 128).astype(np.int8)), None, said=RANGE),
    PictureCase("integer32.tiff", tiff((RAMP * 4e9).astype(np.uint32)), None, said=RANGE),
    PictureCase(
        "integer32.tiff",
        tiff((RAMP * 4e9).astype(np.uint32)),
        means(RAMP),
        {"value_range": [0, 4000000000]},
    ),
    PictureCase("hidden.png", save(HIDDEN), means(over(RED, LEFT, 1))),
    PictureCase("hidden.png", save(HIDDEN), means(over(RED, LEFT, 0)), BLACK),
    PictureCase("hidden.webp", save(HIDDEN, lossless=True), means(over(RED, LEFT, 1))),
    PictureCase("half_seen.png", save(HALF), means(np.full((2, 2), (100 * 128 / 255 + 127) / 255))),
    PictureCase(
        "grey_alpha.png",
        save(np.stack([U8, np.where(LEFT, 255, 0).astype(np.uint8)], -1), "LA"),
        means(over(RAMP, LEFT, 1)),
    ),
    PictureCase("palette_alpha.png", palette, means(over(RED, LEFT, 1))),
    PictureCase("grey2_key.png", png(TWO_BITS, WIDTH, 2, 0, b"\0\2"), means(KEYED), BLACK),
    PictureCase(
        "grey16_key.png",
        png(np.where(LEFT, 40000, 20000).astype(">u2").view(np.uint8), WIDTH, 16, 0, b"\x4e\x20"),
        means(over(np.full_like(RAMP, 40000 / 65535), LEFT, 0)),
        BLACK,
    ),
    PictureCase("grey.avif", save(U8, quality=100), means(RAMP)),
    PictureCase("grey.jp2", save(U8), means(RAMP)),
    PictureCase("kept.gif", save(U8), means(RAMP), {"extra_formats": [".gif"]}),
    PictureCase("animated.png", animated, means(RAMP), said="several frames"),
    PictureCase(
        "pages.tiff",
        tiff(np.stack([U8, 255 - U8]), photometric="minisblack"),
        means(RAMP),
        said="several frames",
    ),
    PictureCase("turned.png", turned, means(np.stack([U8, U8 // 2, U8 // 4], -1) / 255)),
    PictureCase("bilevel.png", save(LEFT), means(LEFT.astype(float))),
    PictureCase(
        "cmyk.tiff",
        save(np.stack([U8, 0 * U8, 0 * U8, 0 * U8], -1), "CMYK"),
        means(np.stack([1 - RAMP, 1 + 0 * RAMP, 1 + 0 * RAMP], -1)),
    ),
    PictureCase("black.png", save(0 * U8), (0, 0, 0), said="of one colour"),
    PictureCase("thin.png", save(np.full((5000, 1), 128, np.uint8)), (128, 128, 128)),
    PictureCase(
        "20000x20000.png",
        png(np.zeros((20000, 1), np.uint8), 20000, 8, 0),
        None,
        said="more than 178,956,970 pixels",
    ),
    PictureCase("empty.png", Path.touch, None, said="an empty file"),
    PictureCase("text.png", lambda path: path.write_text("red"), None, said="not a picture"),
    PictureCase(
        "unknown.avif",
        lambda path: path.write_bytes(b"\0\0\0\x1cftypheic\0\0\0\0"),
        None,
        said="HEIC",
    ),
]


def of_picture(case: PictureCase, root: Path) -> DataConfig:
    """A folder whose first class, called case, has the picture alone to train on."""
    USUAL(root)
    folder = root / "train" / "ants"
    shutil.rmtree(folder)
    folder.mkdir()
    case.write(folder / case.file)
    return settings(root, case.settings)
