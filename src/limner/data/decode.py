"""One image file -> upright uint8 pixels of a given shape."""

from __future__ import annotations

import ctypes
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image

from limner.data.kinds import is_heic
from limner.data.memory import Budget

MAX_PIXELS = 64_000_000  # of an image, as its header declares
PIXELS = Budget(MAX_PIXELS)  # of all images that are decoded at one time
BAND = 256  # rows converted at a time
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "PPM", "TGA", "ICO", "JPEG2000", "AVIF", "QOI")
DECODER_ERRORS = (  # what Pillow's decoders raise on damaged files, collected by damaging some
    OSError,
    EOFError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    OverflowError,
    RuntimeError,
    struct.error,
    zlib.error,
)
HEIC_REMEDY = "a HEIC photo: convert it to JPEG"
ORIENTATION_TAG = 0x0112  # of EXIF
TO_UPRIGHT = {  # value of the EXIF orientation -> the operation that turns the image upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class Unreadable(Exception):
    """A file cannot be decoded; the message is the reason, in a few words."""


@dataclass(frozen=True)
class Decoded:
    """`pixels` uint8 (C, H, W), `size` (height, width) of the upright original, `remarks` on changes."""

    pixels: np.ndarray
    size: tuple[int, int]
    remarks: tuple[str, ...]


@contextmanager
def strict_pillow() -> Iterator[None]:
    """Hide warnings of Pillow and libtiff, and raise Pillow's on giant images, in all threads."""
    Image.init()
    with silent_libtiff(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


@contextmanager
def silent_libtiff() -> Iterator[None]:
    """Turn off the handlers with which libtiff prints to stderr; Pillow raises its errors anyway."""
    library = ctypes.CDLL(Image.core.__file__)  # its symbols include those of the libtiff that it loads
    setters = [getattr(library, name, None) for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler")]
    handlers = []
    for setter in setters:
        if setter is not None:  # Windows does not show the symbols
            setter.restype, setter.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
            handlers.append((setter, setter(None)))
    try:
        yield
    finally:
        for setter, handler in handlers:
            setter(handler)


def decode(data: bytes, size: tuple[int, int] | None, channels: int) -> Decoded:
    """Decode the bytes of a file and fit the image to `size` (height, width); None keeps its own.

    Applies EXIF rotation, composites transparency on white, scales 16-bit grey by its full range, and takes
    the first frame of an animation.  Raises Unreadable with the reason.
    """
    if not data:
        raise Unreadable("empty file, 0 bytes")
    try:
        return _decode(data, size, channels)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise Unreadable(f"giant: more than {MAX_PIXELS / 1e6:.0f} megapixels") from error
    except Image.UnidentifiedImageError as error:
        raise Unreadable(HEIC_REMEDY if is_heic(data) else "not an image") from error
    except MemoryError as error:
        raise Unreadable("does not fit in memory") from error
    except DECODER_ERRORS as error:
        reason = " ".join(str(error).split())
        raise Unreadable("truncated" if "truncated" in reason.lower() else f"broken: {reason}") from error


def fit(image: Image.Image, size: tuple[int, int], channels: int) -> np.ndarray:
    """Crop an 'L' or 'RGB' image to the aspect ratio of `size`, resize it: uint8 (C, H, W)."""
    height, width = size
    if image.size != (width, height):
        scale = min(image.width / width, image.height / height)  # > 1 when the image shrinks
        left = max(0.0, (image.width - scale * width) / 2)  # max and min: rounding can leave the image
        top = max(0.0, (image.height - scale * height) / 2)
        box = (left, top, min(image.width, left + scale * width), min(image.height, top + scale * height))
        kernel = Image.Resampling.LANCZOS if scale > 1 else Image.Resampling.BICUBIC  # both antialias
        image = image.resize((width, height), kernel, box=box, reducing_gap=3.0)
    mode = "L" if channels == 1 else "RGB"
    pixels = np.asarray(image if image.mode == mode else image.convert(mode))
    return np.ascontiguousarray(pixels.reshape(height, width, channels).transpose(2, 0, 1))


def format_size(size: tuple[int, int]) -> str:
    """A (height, width) as text that nobody can read as (width, height)."""
    height, width = size
    return f"{height}x{width}" if height == width else f"{height} high x {width} wide"


def _decode(data: bytes, size: tuple[int, int] | None, channels: int) -> Decoded:
    remarks: list[str] = []
    with Image.open(BytesIO(data), formats=[name for name in FORMATS if name in Image.OPEN]) as image:
        if 0 in image.size:
            raise Unreadable("no pixels")
        if image.width * image.height > MAX_PIXELS:
            raise Unreadable(f"giant: {image.width:,} wide x {image.height:,} high declared")
        if getattr(image, "is_animated", False) and image.format != "MPO":
            remarks.append("several frames: the first is used")
        full_size = (image.height, image.width)
        if size is not None:  # the JPEG decoder can halve images that are more than twice too large
            scale = 2 * max(size) / min(image.size)
            image.draft(None, (round(scale * image.width), round(scale * image.height)))
        with PIXELS.hold(image.width * image.height):
            upright, full_size = _turn_upright(_to_8_bits(image, remarks), image, full_size, remarks)
            if upright.mode != ("L" if channels == 1 else "RGB"):
                remarks.append("converted to grey" if channels == 1 else "grey converted to RGB")
            return Decoded(fit(upright, size or full_size, channels), full_size, tuple(remarks))


def _turn_upright(
    pixels: Image.Image, image: Image.Image, size: tuple[int, int], remarks: list[str]
) -> tuple[Image.Image, tuple[int, int]]:
    """The pixels and the (height, width) of an image after its EXIF rotation; adds to the remarks."""
    orientation = image.getexif().get(ORIENTATION_TAG, 1)  # read last: Pillow turns a TIFF while it loads
    if orientation not in TO_UPRIGHT:
        return pixels, size
    remarks.append("turned upright by the EXIF tag")
    return pixels.transpose(TO_UPRIGHT[orientation]), size if orientation < 5 else size[::-1]


def _to_8_bits(image: Image.Image, remarks: list[str]) -> Image.Image:
    """Load the pixels and convert them to mode 'L' or 'RGB'; adds to the remarks."""
    if image.mode.startswith("I"):
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise Unreadable(f"grey values from {values.min()} to {values.max()}: more than 16 bits")
        remarks.append("16-bit grey scaled to 8 bits")
        grey = np.empty(values.shape, np.uint8)
        for top in range(0, len(grey), BAND):
            grey[top : top + BAND] = (values[top : top + BAND].astype(np.uint32) + 128) // 257
        return Image.fromarray(grey)
    if image.mode == "F":
        raise Unreadable("floating-point pixels: save it with 8 or 16 bits")
    if image.has_transparency_data:
        return _composite_on_white(image, remarks)
    if image.mode == "CMYK":
        remarks.append("CMYK converted to RGB")
    if image.mode in ("L", "RGB"):
        image.load()
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def _composite_on_white(image: Image.Image, remarks: list[str]) -> Image.Image:
    opaque = Image.new("L" if image.mode in ("L", "LA", "La") else "RGB", image.size)
    lowest = 255  # of the alpha channel
    for top in range(0, image.height, BAND):
        bottom = min(top + BAND, image.height)
        rgba = image.crop((0, top, image.width, bottom)).convert("RGBA")
        lowest = min(lowest, int(np.asarray(rgba)[..., 3].min()))
        band = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
        opaque.paste(band.getchannel(0) if opaque.mode == "L" else band, (0, top))
    if lowest < 255:
        remarks.append("transparent parts composited on white")
    return opaque
