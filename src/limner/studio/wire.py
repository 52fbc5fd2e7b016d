"""Images on their way to the page: raw pixels over the socket, PNG and GIF, and pixels in JSON."""

from __future__ import annotations

import base64
import io
import struct
from typing import Any

import torch
from torch import Tensor

from limner.explore.picture import Animation
from limner.figures import to_pil

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
