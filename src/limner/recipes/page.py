"""A self-contained web page: text, tables and pictures in one HTML file."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from PIL import Image

from limner.files import write_text

STYLE = """
:root { color-scheme: light dark; }
body { font: 17px/1.55 Georgia, 'Times New Roman', serif; max-width: 60rem; margin: 3rem auto; }
body { padding: 0 1.2rem; }
h1, h2 { font-weight: normal; line-height: 1.2; }
h2 { margin-top: 3.2rem; border-top: 1px solid #8886; padding-top: 1.2rem; }
figure { margin: 1.6rem 0; }
img { max-width: 100%; height: auto; background: #fff; border-radius: 3px; }
figcaption { font-size: .88rem; opacity: .8; margin-top: .3rem; }
.side { display: flex; flex-wrap: wrap; gap: 1.2rem; }
.side figure { flex: 1 1 17rem; margin: .6rem 0; }
table { border-collapse: collapse; margin: 1.2rem 0; }
th, td { text-align: left; padding: .25rem 1.4rem .25rem 0; border-bottom: 1px solid #8884; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
code { font-size: .88em; }
footer { margin: 4rem 0 2rem; font-size: .88rem; opacity: .8; }
"""


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

    def pictures(self, *captioned: tuple[Image.Image, str]) -> None:
        """Add pictures with their captions, side by side where there is room."""
        figures = [
            f'<figure><img alt="{escape(caption)}" src="data:image/png;base64,{encode_png(image)}">'
            f"<figcaption>{format_text(caption)}</figcaption></figure>"
            for image, caption in captioned
        ]
        html = "".join(figures)
        self.parts.append(html if len(figures) == 1 else f'<div class="side">{html}</div>')

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Add a table; cells that begin with a digit or a minus sign align right."""
        lines = ["".join(f"<th>{escape(text)}</th>" for text in head)]
        for row in rows:
            lines.append("".join(format_cell(text) for text in row))
        body = "".join(f"<tr>{line}</tr>" for line in lines)
        self.parts.append(f"<table>{body}</table>")

    def html(self) -> str:
        """The whole page."""
        head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        title = escape(self.title)
        body = "\n".join(self.parts)
        return (
            f'<!doctype html>\n<html lang="en"><head>{head}<title>{title}</title>'
            f"<style>{STYLE}</style></head>\n"
            f"<body><h1>{title}</h1>\n{body}\n</body></html>\n"
        )

    def save(self, path: Path) -> None:
        """Write the page as one HTML file."""
        write_text(path, self.html())


def encode_png(image: Image.Image) -> str:
    """A picture as base64 PNG."""
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode()


def format_cell(text: str) -> str:
    """A cell of a table as HTML."""
    is_number = text[:1].isdigit() or text[:1] == "-"
    return f'<td class="number">{format_text(text)}</td>' if is_number else f"<td>{format_text(text)}</td>"


def format_text(text: str) -> str:
    """Text as HTML, with code where it stands between backticks."""
    parts = escape(text, quote=False).split("`")
    return "".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts))
