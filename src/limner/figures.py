"""Arrays -> pictures: grids and sheets of images, with their text."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

GAP = 2  # pixels between images of a grid
BACKGROUND = 255
MARGIN = 10  # pixels around a sheet
TITLE, SMALL = 15, 12  # font sizes in pixels
LINE = TITLE + 5  # height of a title's line
LEAST_WIDTH = 420  # of a sheet with a title, so that its lines are not too short
GRID_SIDE = 56  # pixels, about, of the longer side of a small image once it is enlarged
CANVAS = 1000  # side of a map of thumbnails
# Petroff 2021, arXiv 2107.02270: colours that the colour-blind can tell apart too; one grey is black here.
COLOURS = ("#3f90da", "#ffa90e", "#bd1f01", "#1a1a1a", "#832db6",
           "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd")  # fmt: skip


def to_pil(pixels: Tensor) -> Image.Image:
    """One image (C, H, W) uint8 as a picture."""
    array = pixels.cpu().numpy()
    return Image.fromarray(array[0] if len(array) == 1 else np.moveaxis(array, 0, 2))


def grid(pixels: Tensor, columns: int | None = None, scale: int | None = None) -> Image.Image:
    """Images (N, C, H, W) uint8 side by side, row by row; small ones enlarged by a whole factor."""
    n, channels, height, width = pixels.shape
    columns = columns or math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    scale = scale or choose_scale(height, width, GRID_SIDE)
    step_y, step_x = height * scale + GAP, width * scale + GAP
    size = (columns * step_x + GAP, rows * step_y + GAP)
    picture = Image.new("L" if channels == 1 else "RGB", size, "white")
    for i, image in enumerate(pixels):
        corner = (i % columns * step_x + GAP, i // columns * step_y + GAP)
        picture.paste(enlarge(image, scale), corner)
    return picture


def colour_map(values: Tensor, most: float) -> Tensor:
    """Numbers (N, H, W) from 0, black, to `most`, white, as images (N, 3, H, W) uint8 in colours between."""
    import matplotlib

    colours = matplotlib.colormaps["hot"](values.cpu().numpy() / most, bytes=True)  # (N, H, W, 4)
    return torch.from_numpy(np.moveaxis(colours[..., :3], -1, 1).copy())


def choose_scale(height: int, width: int, side: int) -> int:
    """The whole factor of enlargement that brings the longer side nearest to `side` pixels."""
    return max(1, round(side / max(height, width)))


def enlarge(pixels: Tensor, scale: int) -> Image.Image:
    """One image (C, H, W) uint8 with square pixels `scale` times as large."""
    image = to_pil(pixels)
    return image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)


def sheet(
    rows: Sequence[Tensor],
    *,
    title: str = "",
    row_labels: Sequence[str] | None = None,
    column_labels: Sequence[str] | None = None,
    captions: Sequence[Sequence[str]] | None = None,
    marked: Collection[tuple[int, int]] = (),
    scale: int | None = None,
    gap: int = 4,
) -> Image.Image:
    """Rows of images, each (n, C, H, W) uint8, with text around them.

    `captions` has a text for each image of a row, or none for a row; its lines stand below the image, and the
    middle of a line that does not fit is left out.  `marked` (row, column) images get a frame.
    """
    channels, height, width = rows[0].shape[1:]
    scale = scale or choose_scale(height, width, 84 if captions else GRID_SIDE)
    texts, wide, high = captions or [()] * len(rows), width * scale, height * scale
    left = MARGIN + (round(max(map(measure_text, row_labels))) + 8 if row_labels else 0)
    lines, right = wrap_title(title, left + max(map(len, rows)) * (wide + gap) - gap + MARGIN)
    head = MARGIN + len(lines) * LINE + (6 if lines else 0)
    below = [max((len(text.splitlines()) for text in row), default=0) * (SMALL + 3) for row in texts]
    heights = [high + gap + (text_height and text_height + 5) for text_height in below]
    tops = list(itertools.accumulate(heights, initial=head + (SMALL + 6 if column_labels else 0)))
    mode = "RGB" if channels == 3 or marked else "L"
    picture, draw = new_page(mode, (right, tops[-1] - gap + MARGIN), lines)
    for c, name in enumerate(column_labels or ()):
        draw.text((left + c * (wide + gap) + wide / 2, head), name, "black", load_font(SMALL), "ma")
    for r, top in enumerate(tops[:-1]):
        if row_labels:
            draw.text((left - 8, top + high / 2), row_labels[r], "black", load_font(SMALL), "rm")
        for c, pixels in enumerate(rows[r]):
            x = left + c * (wide + gap)
            picture.paste(enlarge(pixels, scale), (x, top))
            if (r, c) in marked:
                draw.rectangle((x - 2, top - 2, x + wide + 1, top + high + 1), outline=COLOURS[1], width=3)
            text = fit_text(texts[r][c], wide) if texts[r] else ""
            draw.text((x + wide / 2, top + high + 2), text, "black", load_font(SMALL), "ma", 3, "center")
    return picture


def thumbnails(
    points: np.ndarray,
    pixels: Tensor,
    labels: np.ndarray | None = None,
    classes: Sequence[str] | None = None,
    *,
    title: str = "",
) -> Image.Image:
    """Images (N, C, H, W) uint8 at points (N, 2), framed in their label's colour; none covers another."""
    height, width = pixels.shape[2:]
    size = np.array([width, height] if max(height, width) <= 32 else [round(32 * width / height), 32])
    names = {} if labels is None else {k: class_name(k, classes) for k in np.unique(labels).tolist()[:20]}
    side = max([0, *(round(measure_text(text, TITLE)) + 40 for text in names.values())])
    lines, _ = wrap_title(title, CANVAS)
    head = MARGIN + len(lines) * LINE + 6
    picture, draw = new_page("RGB", (CANVAS + side, CANVAS + head), lines)
    for i, (k, text) in enumerate(names.items()):
        y = head + 20 + i * (TITLE + 8)
        draw.rectangle((CANVAS, y, CANVAS + 14, y + 14), COLOURS[k % 10])
        draw.text((CANVAS + 22, y + 7), text, "black", load_font(TITLE), "lm")
    low, high = points.min(0), points.max(0)
    places = (points - low) / np.maximum(high - low, 1e-12) * [1, -1] + [0, 1]  # in [0, 1], y upwards
    first = np.array([MARGIN + 2, head + MARGIN + 2])
    corners = (places * (CANVAS - 2 * MARGIN - 4 - size)).round().astype(int) + first
    taken = np.zeros((CANVAS + head, CANVAS), bool)
    for i, (x, y) in enumerate(corners.tolist()):
        box = (slice(y - 2, y + size[1] + 2), slice(x - 2, x + size[0] + 2))
        if taken[box].any():
            continue
        taken[box] = True
        frame = "#bbbbbb" if labels is None else COLOURS[int(labels[i]) % 10]
        draw.rectangle((x - 2, y - 2, x + size[0] + 1, y + size[1] + 1), frame)
        picture.paste(to_pil(pixels[i]).resize(tuple(size.tolist()), Image.Resampling.LANCZOS), (x, y))
    return picture


def wrap_title(title: str, width: int) -> tuple[list[str], int]:
    """The lines of a title over a picture of this width, and the width of both together."""
    lines = wrap_text(title, max(width, LEAST_WIDTH) - 2 * MARGIN)
    return lines, max([width, *(math.ceil(measure_text(line, TITLE)) + 2 * MARGIN for line in lines)])


def new_page(
    mode: str, size: tuple[int, int], lines: Sequence[str]
) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """A white page (width, height) with the lines of its title at the top."""
    picture = Image.new(mode, size, "white")
    draw = ImageDraw.Draw(picture)
    for i, line in enumerate(lines):
        draw.text((MARGIN, MARGIN + i * LINE), line, "black", load_font(TITLE))
    return picture, draw


def class_name(label: int, classes: Sequence[str] | None) -> str:
    """A label's name, or its number where labels have no names."""
    return classes[label] if classes and 0 <= label < len(classes) else str(label)


@functools.cache
def load_font(size: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib and has Greek and Cyrillic letters too."""
    import matplotlib

    return ImageFont.truetype(str(Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")), size)


def measure_text(text: str, size: int = SMALL) -> float:
    """The width of a line of text in pixels."""
    return load_font(size).getlength(text)


def wrap_text(text: str, width: int, size: int = TITLE) -> list[str]:
    """Text in lines of at most `width` pixels, or of one longer word; its own line breaks are kept."""
    lines: list[str] = []
    for paragraph in text.splitlines():
        line = ""
        for word in paragraph.split(" "):
            if line and measure_text(f"{line} {word}", size) > width:
                lines.append(line)
                line = word
            else:
                line = f"{line} {word}".strip()
        lines.append(line)
    return lines


def fit_text(text: str, width: int) -> str:
    """Text whose lines have at most `width` pixels: longer ones lose their middle."""
    return "\n".join(shorten(line, width) for line in text.splitlines())


def shorten(line: str, width: int) -> str:
    """A line of at most `width` pixels: an ellipsis replaces the middle of a longer one."""
    short, kept = line, len(line)
    while measure_text(short) > width and kept > 2:
        kept -= 1
        short = f"{line[: kept // 2]}…{line[len(line) - (kept + 1) // 2 :]}"
    return short
