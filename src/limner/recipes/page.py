"""One self-contained page: text, numbers and pictures in a single file that opens anywhere."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from PIL import Image

from limner.training.checkpoint import write_atomically

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
    """A title and what stands under it, in order."""

    title: str
    parts: list[str] = field(default_factory=list)

    def heading(self, text: str) -> None:
        """A section begins."""
        self.parts.append(f"<h2>{escape(text)}</h2>")

    def text(self, *paragraphs: str) -> None:
        """Paragraphs; `code` between backticks is set as code."""
        self.parts += [f"<p>{coded(paragraph)}</p>" for paragraph in paragraphs]

    def pictures(self, *shown: tuple[Image.Image, str]) -> None:
        """Pictures side by side where there is room, each with its caption."""
        figures = [
            f'<figure><img alt="{escape(caption)}" src="data:image/png;base64,{encoded(image)}">'
            f"<figcaption>{coded(caption)}</figcaption></figure>"
            for image, caption in shown
        ]
        inside = "".join(figures)
        self.parts.append(inside if len(figures) == 1 else f'<div class="side">{inside}</div>')

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A table; cells that begin with a digit or a minus are set as numbers."""
        cells = "".join(f"<th>{escape(text)}</th>" for text in head)
        body = ""
        for row in rows:
            kinds = [' class="number"' if text[:1].isdigit() or text[:1] == "-" else "" for text in row]
            body += (
                "<tr>" + "".join(f"<td{k}>{coded(t)}</td>" for k, t in zip(kinds, row, strict=True)) + "</tr>"
            )
        self.parts.append(f"<table><tr>{cells}</tr>{body}</table>")

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
        """Write the page, whole or not at all."""
        write_atomically(path, lambda beside: beside.write_text(self.html(), encoding="utf-8"))


def encoded(image: Image.Image) -> str:
    """A picture as base64 PNG."""
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode()


def coded(text: str) -> str:
    """Escaped text, with what stands between backticks as code."""
    return "".join(
        f"<code>{part}</code>" if i % 2 else part
        for i, part in enumerate(escape(text, quote=False).split("`"))
    )
