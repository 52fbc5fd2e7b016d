"""One image file -> upright uint8 pixels of the shape asked for."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image

LARGEST = 64_000_000  # pixels a header may declare
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "PPM", "TGA", "ICO", "JPEG2000", "AVIF", "QOI")
BROKEN = (  # what Pillow's decoders raise on damaged files, found by damaging some
    *(OSError, EOFError, SyntaxError, ValueError, TypeError, LookupError, OverflowError, RuntimeError),
    *(struct.error, zlib.error),
)
ORIENTATION = 0x0112  # the EXIF tag, and what undoes each of its values
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class Unreadable(Exception):
    """Why a file gives no image, in a few words."""


@dataclass(frozen=True)
class Decoded:
    """`pixels` uint8 (C, H, W), the (height, width) the file had when upright, and what was done to it."""

    pixels: np.ndarray
    size: tuple[int, int]
    remarks: tuple[str, ...]


@contextmanager
def strict() -> Iterator[None]:
    """Silence Pillow on metadata, and make its warning of giant images an error, in all threads."""
    Image.init()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def decode(data: bytes, size: tuple[int, int] | None, channels: int) -> Decoded:
    """Decode a file's bytes, fitted to `size` (height, width) or, if None, at its own size.

    EXIF rotation is applied, transparency composited on white, 16-bit grey scaled by its true range, an
    animation cut to its first frame. Raises Unreadable with the reason.
    """
    if not data:
        raise Unreadable("empty file, 0 bytes")
    try:
        return _decode(data, size, channels)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise Unreadable(f"giant: more than {LARGEST / 1e6:.0f} megapixels") from error
    except Image.UnidentifiedImageError as error:
        raise Unreadable("not an image") from error
    except MemoryError as error:
        raise Unreadable("does not fit in memory") from error
    except BROKEN as error:
        reason = " ".join(str(error).split())
        raise Unreadable("truncated" if "truncated" in reason.lower() else f"broken: {reason}") from error


def fit(image: Image.Image, size: tuple[int, int], channels: int) -> np.ndarray:
    """Crop an 'L' or 'RGB' image to the middle, to the aspect asked for, and resize: uint8 (C, H, W)."""
    height, width = size
    if image.size != (width, height):
        scale = min(image.width / width, image.height / height)  # > 1 when the image shrinks
        left, top = (image.width - scale * width) / 2, (image.height - scale * height) / 2
        left, top = max(0.0, left), max(0.0, top)  # rounding may take it a hair outside, on either side
        box = (left, top, min(image.width, left + scale * width), min(image.height, top + scale * height))
        kernel = Image.Resampling.LANCZOS if scale > 1 else Image.Resampling.BICUBIC  # both antialiased
        image = image.resize((width, height), kernel, box=box, reducing_gap=3.0)
    mode = "L" if channels == 1 else "RGB"
    pixels = np.asarray(image if image.mode == mode else image.convert(mode))
    return np.ascontiguousarray(pixels.reshape(height, width, channels).transpose(2, 0, 1))


def named_size(size: tuple[int, int]) -> str:
    """A (height, width) in words that cannot be taken for (width, height)."""
    height, width = size
    return f"{height}x{width}" if height == width else f"{height} high x {width} wide"


def _decode(data: bytes, size: tuple[int, int] | None, channels: int) -> Decoded:
    remarks: list[str] = []
    with Image.open(BytesIO(data), formats=[name for name in FORMATS if name in Image.OPEN]) as image:
        if 0 in image.size:
            raise Unreadable("no pixels")
        if image.width * image.height > LARGEST:
            raise Unreadable(f"giant: {image.width:,} wide x {image.height:,} high declared")
        if getattr(image, "is_animated", False) and image.format != "MPO":
            remarks.append("several frames: the first is used")
        full = (image.height, image.width)
        if size is not None:  # let the JPEG decoder halve what is more than twice too large
            least = max(size) / min(image.size)
            image.draft(None, (round(2 * least * image.width), round(2 * least * image.height)))
        upright = _plain(image, remarks)
        orientation = image.getexif().get(ORIENTATION, 1)  # read last: Pillow turns a TIFF while it loads
    if orientation in TURNS:
        upright = upright.transpose(TURNS[orientation])
        full = full if orientation < 5 else full[::-1]
        remarks.append("turned upright by the EXIF tag")
    if upright.mode != ("L" if channels == 1 else "RGB"):
        remarks.append("made grey" if channels == 1 else "grey made RGB")
    return Decoded(fit(upright, size or full, channels), full, tuple(remarks))


def _plain(image: Image.Image, remarks: list[str]) -> Image.Image:
    """The image in mode 'L' or 'RGB'; loads its pixels."""
    if image.mode.startswith("I"):
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise Unreadable(f"grey values from {values.min()} to {values.max()}: more than 16 bits")
        remarks.append("16-bit grey scaled to 8 bits")
        return Image.fromarray(((values.astype(np.uint32) + 128) // 257).astype(np.uint8))
    if image.mode == "F":
        raise Unreadable("floating-point pixels: save it with 8 or 16 bits")
    if image.has_transparency_data:
        coloured = image.convert("RGBA")
        white = Image.new("RGBA", coloured.size, "white")
        if coloured.getchannel("A").getextrema() != (255, 255):
            remarks.append("transparent parts composited on white")
        plain = Image.alpha_composite(white, coloured).convert("RGB")
        return plain.getchannel(0) if image.mode in ("L", "LA", "La") else plain
    if image.mode == "CMYK":
        remarks.append("CMYK converted to RGB")
    if image.mode in ("L", "RGB"):
        image.load()
        return image
    return image.convert("L" if image.mode == "1" else "RGB")
