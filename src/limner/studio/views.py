"""The files of the page, and each view as one module of its own, as a notebook's widget takes it."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parent / "page"
IMPORT = re.compile(r'^import \{[^}]*\} from "\./(\w+)\.js";\n', re.MULTILINE)


def page_files() -> dict[str, Path]:
    """What the page loads besides index.html, by name."""
    return {path.name: path for path in sorted(PAGE.iterdir()) if path.suffix in (".js", ".css", ".svg")}


def module_names(name: str) -> list[str]:
    """A module of the page behind those that it imports, each once."""
    names: list[str] = []
    for other in IMPORT.findall(read(name)):
        names += [each for each in module_names(other) if each not in names]
    return [*names, name]


def view_module(name: str) -> str:
    """A view, such as "map", as an ES module that imports nothing: what it shares with others comes first.

    Its default export is `{ render({ model, el }) }`, the contract of anywidget.
    """
    *shared, view = (IMPORT.sub("", read(each)) for each in module_names(name))
    return "".join(re.sub(r"^export ", "", text, flags=re.MULTILINE) for text in shared) + view


def read(name: str) -> str:
    """The text of a module of the page."""
    return (PAGE / f"{name}.js").read_text(encoding="utf-8")
