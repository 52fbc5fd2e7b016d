"""A picture with the numbers behind it, which notebooks display and which is saved atomically."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from limner.errors import LimnerError
from limner.explore.video import find_encoder, write_video
from limner.files import refuse_below_file, write_atomically

LARGEST = 20_000_000  # pixels of the images in a picture; small images are drawn enlarged
STILL = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")
ANIMATED = (".gif", ".mp4")
PICTURES = (*STILL, *ANIMATED)
MOVING = ("interpolate", "timeline")  # verbs whose picture has an animation


@dataclass(frozen=True)
class Animation:
    """`frames` of one size, and how long each is shown, in `milliseconds`."""

    frames: Sequence[Image.Image]
    milliseconds: Sequence[int]

    def save(self, path: Path) -> None:
        """Write a GIF that repeats for ever, or an MP4 where an encoder is installed."""
        if path.suffix.lower() == ".mp4":
            write_video(path, self.frames, self.milliseconds)
            return
        first, *others = self.frames
        first.save(path, save_all=True, append_images=others, duration=list(self.milliseconds), loop=0)


@dataclass
class Picture:
    """`image`, and in `data` the arrays that it shows; data["notes"] are lines for the user.

    `animate` draws the animation that a .gif or .mp4 holds, for a picture that has one.
    """

    image: Image.Image
    data: dict[str, Any] = field(default_factory=dict)
    animate: Callable[[], Animation] | None = None

    @property
    def notes(self) -> list[str]:
        """What the user should know about the picture, a line each."""
        return list(self.data.get("notes", ()))

    def save(self, path: str | Path) -> Path:
        """Write the image in the format of the path's suffix, atomically, as .gif or .mp4 the animation.

        LimnerError for an unknown suffix, for .gif and .mp4 where there is no animation, and for .mp4 where
        no encoder is installed.
        """
        target = destination(Path(path).expanduser(), PICTURES if self.animate else STILL)
        moves = self.animate is not None and target.suffix.lower() in ANIMATED
        write_atomically(target, self.animate().save if self.animate and moves else self.image.save)
        return target

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        self.image.save(file, "PNG")
        return file.getvalue()


def check_count(count: int, shape: tuple[int, int, int]) -> None:
    """Raise LimnerError where a picture cannot hold so many images of a shape (C, H, W)."""
    _, height, width = shape
    most = max(1, LARGEST // (height * width))
    if count > most:
        raise LimnerError(
            f"a picture holds at most {most:,} images of {height}x{width}, not {count:,}: ask for fewer"
        )


def destination(path: Path, suffixes: tuple[str, ...]) -> Path:
    """The path, if a file can have it; LimnerError for a folder, or where it ends in none of the suffixes."""
    refuse_below_file(path)
    if path.is_dir():
        raise LimnerError(f"{path} is a folder: give a file in it, {path / ('name' + suffixes[0])} say")
    if path.suffix.lower() in ANIMATED and suffixes == STILL:
        raise LimnerError(
            f"{path} ends in '{path.suffix}', and this picture does not move: give .png "
            f"({' and '.join(MOVING)} write moving ones)"
        )
    if path.suffix.lower() not in suffixes:
        raise LimnerError(f"{path} ends in '{path.suffix}': it must end in {', '.join(suffixes)}")
    if path.suffix.lower() == ".mp4":
        find_encoder()
    return path
