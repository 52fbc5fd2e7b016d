"""A picture with the numbers behind it, shown by notebooks and written whole or not at all."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from limner.errors import LimnerError
from limner.training.checkpoint import write_atomically

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif")


@dataclass
class Picture:
    """`image`, and in `data` the arrays it shows; data["notes"] are lines for the user."""

    image: Image.Image
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def notes(self) -> list[str]:
        """What the user should know of it, a line each."""
        return list(self.data.get("notes", ()))

    def save(self, path: str | Path) -> Path:
        """Write the image in the format of the path's suffix, atomically; LimnerError for an unknown one."""
        place = destination(Path(path).expanduser(), PICTURES)
        write_atomically(place, self.image.save)
        return place

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        self.image.save(file, "PNG")
        return file.getvalue()


def destination(path: Path, suffixes: tuple[str, ...]) -> Path:
    """A path that can be written; LimnerError unless it ends in one of the suffixes and is no folder."""
    if path.is_dir():
        raise LimnerError(f"{path} is a folder: give a file in it, {path / ('name' + suffixes[0])} say")
    if path.suffix.lower() not in suffixes:
        raise LimnerError(f"{path} ends in '{path.suffix}': it must end in {', '.join(suffixes)}")
    return path
