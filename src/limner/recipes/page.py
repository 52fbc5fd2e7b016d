"""A self-contained web page: text, and figures with the numbers that belong to them, in one HTML file."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib import resources
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from limner.figures import to_pil
from limner.files import write_text

TILE_SIDE = 84  # pixels, about, of the longer side of an image: sharp on screens of a high density too
CHART = (5.2, 3.3)  # inches: the text of a chart half a page wide is about as large as that of the page
TILE_GAP = 2  # pixels between two images before they are enlarged


@dataclass(frozen=True)
class Figure:
    """The HTML of a picture (`tiles` or `chart`), its caption, and measured numbers by what they are."""

    picture: str
    caption: str
    numbers: Mapping[str, str] = field(default_factory=dict)

    def html(self) -> str:
        """The picture, with the caption and the numbers beside it or, on a narrow screen, below."""
        return f"<figure>{self.picture}<figcaption>{self.text()}</figcaption></figure>"

    def text(self) -> str:
        """The caption and the numbers as HTML."""
        numbers = "".join(
            f"<div><dt>{format_text(name)}</dt><dd>{escape(value)}</dd></div>"
            for name, value in self.numbers.items()
        )
        return f"<p>{format_text(self.caption)}</p>" + (f"<dl>{numbers}</dl>" if numbers else "")


@dataclass
class Page:
    """A title, and the HTML of its parts in order."""

    title: str
    parts: list[str] = field(default_factory=list)

    def heading(self, text: str) -> None:
        """Add the heading of a section."""
        self.parts.append(f"<h2>{escape(text)}</h2>")

    def text(self, *paragraphs: str) -> None:
        """Add paragraphs; text between backticks is set as code."""
        self.parts += [f"<p>{format_text(paragraph)}</p>" for paragraph in paragraphs]

    def figure(self, figure: Figure) -> None:
        """Add a figure of the common width, its caption and numbers beside it."""
        self.parts.append(figure.html())

    def row(self, *figures: Figure) -> None:
        """Add figures that are to be compared, side by side where there is room, of one width."""
        self.parts.append(f'<div class="row">{"".join(figure.html() for figure in figures)}</div>')

    def bars(self, head: str, values: Mapping[str, float], form: str = ".0f") -> None:
        """Add a table of numbers from 0, each with a bar as long as its share of the largest."""
        largest = max(values.values()) or 1.0
        rows = "".join(
            f'<tr><th scope="row">{format_text(name)}</th><td>{value:{form}}</td>'
            f'<td><i style="width:{100 * value / largest:.1f}%"></i></td></tr>'
            for name, value in values.items()
        )
        self.parts.append(f'<table class="bars"><caption>{format_text(head)}</caption>{rows}</table>')

    def commands(self, commands: Iterable[str]) -> None:
        """Add commands, a line each."""
        self.parts.append(f"<pre>{escape(chr(10).join(commands))}</pre>")

    def html(self) -> str:
        """The whole page."""
        head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        style = resources.files("limner.recipes").joinpath("page.css").read_text()
        title = escape(self.title)
        body = "\n".join(self.parts)
        return (
            f'<!doctype html>\n<html lang="en"><head>{head}<title>{title}</title>'
            f"<style>\n{style}</style></head>\n"
            f"<body><main><h1>{title}</h1>\n{body}\n</main></body></html>\n"
        )

    def save(self, path: Path) -> None:
        """Write the page as one HTML file."""
        write_text(path, self.html())


def tiles(rows: Sequence[Tensor], alt: str, labels: Sequence[str] = (), *, gap: int = TILE_GAP) -> str:
    """Rows of images, each (n, C, H, W) uint8, as the HTML of one picture, or of one for each label."""
    if not labels:
        return f'<div class="tiles">{embed(draw_tiles(rows, gap), alt)}</div>'
    lines = "".join(
        f"<span>{format_text(label)}</span>{embed(draw_tiles([row], gap), f'{alt}: {label}')}"
        for label, row in zip(labels, rows, strict=True)
    )
    return f'<div class="tiles labelled">{lines}</div>'


def draw_tiles(rows: Sequence[Tensor], gap: int) -> Image.Image:
    """Rows of images, each (n, C, H, W) uint8, enlarged by a whole factor; what is between them is clear."""
    channels, height, width = rows[0].shape[1:]
    step_y, step_x = height + gap, width + gap
    columns = max(map(len, rows))
    canvas = torch.zeros(channels + 1, len(rows) * step_y - gap, columns * step_x - gap, dtype=torch.uint8)
    for r, row in enumerate(rows):
        for c, image in enumerate(row):
            place = canvas[:, r * step_y : r * step_y + height, c * step_x : c * step_x + width]
            place[:channels], place[channels] = image, 255
    scale = max(1, round(TILE_SIDE / max(height, width)))
    picture = to_pil(canvas)
    return picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)


def chart(picture: Image.Image, alt: str) -> str:
    """The HTML of a picture on white, such as a plot: a plain frame, which is dimmed in dark mode."""
    return f'<div class="plate">{embed(picture, alt)}</div>'


def embed(picture: Image.Image, alt: str) -> str:
    """An image element that holds the picture as PNG."""
    file = io.BytesIO()
    picture.save(file, "PNG")
    data = base64.b64encode(file.getvalue()).decode()
    width, height = picture.size
    text = escape(alt.replace("`", ""))
    return f'<img alt="{text}" width="{width}" height="{height}" src="data:image/png;base64,{data}">'


def format_text(text: str) -> str:
    """Text as HTML, with code where it stands between backticks."""
    parts = escape(text, quote=False).split("`")
    return "".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts))
