"""Images on their way to the page: raw pixels over the socket, PNG and GIF, and pixels in JSON."""

from __future__ import annotations

import base64
import io
import math
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from limner.explore.picture import Animation
from limner.figures import to_pil

SHEET_COLUMNS = 40

HEADER = struct.Struct("<IHHHH")  # number of the request, images, channels, height, width


def pack(number: int, pixels: Tensor) -> bytes:
    """Images (n, C, H, W) uint8 behind a header that names the request they answer."""
    return HEADER.pack(number, *pixels.shape) + pixels.contiguous().numpy().tobytes()


def strip_png(pixels: Tensor) -> bytes:
    """Images (n, C, H, W) uint8 side by side, as PNG."""
    file = io.BytesIO()
    to_pil(torch.cat(list(pixels), 2)).save(file, "PNG")
    return file.getvalue()


def gif(animation: Animation) -> bytes:
    """An animation as GIF."""
    file = io.BytesIO()
    first, *others = animation.frames
    durations = list(animation.milliseconds)
    first.save(file, "GIF", save_all=True, append_images=others, duration=durations, loop=0)
    return file.getvalue()


def image_json(pixels: Tensor, caption: str, kind: str = "generated") -> dict[str, Any]:
    """One image (C, H, W) uint8 with its caption, as JSON; kind: real or generated."""
    data = base64.b64encode(pixels.contiguous().numpy().tobytes()).decode()
    return {"shape": list(pixels.shape), "pixels": data, "caption": caption, "kind": kind}


def pack_arrays(header: str, arrays: Sequence[np.ndarray]) -> bytes:
    """Arrays of four-byte numbers behind the length of a header and the header, padded to four bytes."""
    text = header.encode()
    text += b" " * (-len(text) % 4)
    return b"".join([struct.pack("<I", len(text)), text, *(array.tobytes() for array in arrays)])


def sheet_png(pixels: Tensor, side: int) -> bytes:
    """Images (n, C, H, W) uint8 as tiles of at most `side` pixels, in rows of SHEET_COLUMNS, as PNG."""
    height, width = pixels.shape[2:]
    scale = min(1, side / max(height, width))
    wide, high = max(1, round(width * scale)), max(1, round(height * scale))
    if scale < 1:
        pixels = torch.nn.functional.interpolate(pixels.float(), (high, wide), mode="area").round().byte()
    rows = math.ceil(len(pixels) / SHEET_COLUMNS)
    sheet = pixels.new_zeros(pixels.shape[1], rows * high, SHEET_COLUMNS * wide)
    for i, tile in enumerate(pixels):
        y, x = i // SHEET_COLUMNS * high, i % SHEET_COLUMNS * wide
        sheet[:, y : y + high, x : x + wide] = tile
    file = io.BytesIO()
    to_pil(sheet).save(file, "PNG", compress_level=3)
    return file.getvalue()
