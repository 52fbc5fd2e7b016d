"""Chromium, and what tests do with a page of the studio; importing it skips a module where there is none."""

from __future__ import annotations

import io
import os
import re
import shutil
import time
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("uvicorn", reason="needs the extra 'studio'")
api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
if CHROMIUM is None:
    pytest.skip("needs Chromium (apt-get install chromium): no browser is here", allow_module_level=True)

api.expect.set_options(timeout=60_000)  # the machine may be busy

WIDTHS = (1280, 390)
FITS = "(width) => document.documentElement.scrollWidth <= width"
SCREENSHOTS = os.environ.get("LIMNER_SCREENSHOTS")  # a folder
# what observes a size has drawn anew after them
TWO_FRAMES = "new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))"


def open_page(page: api.Page, address: str, fragment: str) -> None:
    page.goto(f"{address}#{fragment}")


def state_of(page: api.Page, key: str) -> str | None:
    """What the page's address holds under a key; the page writes it 100 ms after the last change."""
    page.evaluate("new Promise((resolve) => setTimeout(resolve, 110))")  # a timer that ends after the page's
    match = re.search(rf"[?&]{key}=([^&]*)", page.evaluate("location.hash"))
    return match and page.evaluate("(text) => decodeURIComponent(text)", match[1])


def wait_for(page: api.Page, expression: str, arg: object = None) -> None:
    """Until an expression is true; playwright's own wait needs `eval`, which the page's policy forbids."""
    end = time.monotonic() + 60
    while not page.evaluate(expression, arg):
        assert time.monotonic() < end, expression
        page.wait_for_timeout(30)


def png_upload(image: Image.Image) -> dict[str, object]:
    """An image as a file that a form takes."""
    file = io.BytesIO()
    image.save(file, "PNG")
    return {"name": "digit.png", "mimeType": "image/png", "buffer": file.getvalue()}


def current_test() -> str:
    """The name of the test that runs, as a file may have it."""
    name = os.environ["PYTEST_CURRENT_TEST"].split("::")[-1].split(" (")[0]
    return re.sub(r"[^\w.=-]+", "-", name).strip("-")


def check_looks(page: api.Page) -> None:
    """The page is never wider than the window, and has a dark form; writes screenshots if they are wanted."""
    backgrounds = set()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            page.evaluate(TWO_FRAMES)
            wait_for(page, FITS, width)
            if SCREENSHOTS:
                name = f"{current_test()}-{width}-{scheme}.png"
                page.screenshot(path=Path(SCREENSHOTS) / name, full_page=True)
        backgrounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert len(backgrounds) == 2
