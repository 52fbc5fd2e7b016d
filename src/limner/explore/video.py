"""MP4 videos, where an encoder is installed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from limner.errors import LimnerError
from limner.files import WriteError

RATE = 25  # frames a second


def find_encoder() -> str:
    """The ffmpeg on the PATH, or that of the package imageio-ffmpeg; LimnerError where there is none."""
    if program := shutil.which("ffmpeg"):
        return program
    try:
        from imageio_ffmpeg import get_ffmpeg_exe

        return str(get_ffmpeg_exe())
    except (ImportError, RuntimeError):
        raise LimnerError(
            "an .mp4 needs an encoder: install ffmpeg, or pip install 'limner[video]'; or give .gif"
        ) from None


def write_video(path: Path, images: Sequence[Image.Image], milliseconds: Sequence[int]) -> None:
    """Write `images` of one size as H.264, each shown for `milliseconds`, rounded to 1/25 s.

    Sides become even, as the format needs: the last row and column are repeated.  WriteError where the
    encoder fails.
    """
    width, height = images[0].size
    command = [
        find_encoder(), "-y", "-loglevel", "error",
        "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width + width % 2}x{height + height % 2}",
        "-r", str(RATE), "-i", "-",
        "-c:v", "libx264", "-crf", "18", "-pix_fmt", "yuv420p", "-movflags", "+faststart", str(path),
    ]  # fmt: skip
    even = ((0, height % 2), (0, width % 2), (0, 0))
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as encoder:
        assert encoder.stdin is not None
        assert encoder.stderr is not None
        try:
            for image, time in zip(images, milliseconds, strict=True):
                frame = np.pad(np.asarray(image.convert("RGB")), even, mode="edge").tobytes()
                for _ in range(max(1, round(time * RATE / 1000))):
                    encoder.stdin.write(frame)
            encoder.stdin.close()
        except BrokenPipeError:  # it has stopped, and says why
            pass
        problem = encoder.stderr.read().decode(errors="replace").strip()
    if encoder.returncode:
        raise WriteError(problem.splitlines()[-1] if problem else "the encoder failed")
