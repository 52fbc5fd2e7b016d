"""Pages: pictures, the numbers beside them, and which digits they are of."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
import torch
from PIL import Image

from limner.data import mnist_5k
from limner.data.named import is_available
from limner.recipes.digits import describe_digits, load_digits
from limner.recipes.page import TILE_GAP, Figure, Page, chart, format_text, tiles


def pictures(html: str) -> list[Image.Image]:
    """The pictures in a page."""
    sources = re.findall(r'src="data:image/png;base64,([^"]+)"', html)
    return [Image.open(io.BytesIO(base64.b64decode(data))) for data in sources]


@pytest.mark.parametrize("channels", [1, 3])
def test_tiles_hold_the_pixels_and_are_clear_between_them(channels: int) -> None:
    images = torch.randint(0, 256, (2, 3, channels, 28, 20), dtype=torch.uint8)
    html = tiles([images[0], images[1][:2]], "digits & more")
    assert 'alt="digits &amp; more"' in html
    (picture,) = pictures(html)
    assert picture.size == (3 * (3 * 20 + 2 * TILE_GAP), 3 * (2 * 28 + TILE_GAP))
    array = np.asarray(picture)[::3, ::3]
    second = array[28 + TILE_GAP :, 20 + TILE_GAP : 40 + TILE_GAP]
    assert np.array_equal(second[..., :channels], images[1, 1].movedim(0, 2).numpy())
    assert (second[..., channels] == 255).all()
    assert (array[28 : 28 + TILE_GAP, ..., channels] == 0).all(), "the page shows between the rows"
    assert (array[28 + TILE_GAP :, 40 + TILE_GAP :, channels] == 0).all(), "the second row is shorter"


def test_labelled_rows_are_pictures_of_one_size() -> None:
    rows = list(torch.zeros(3, 5, 1, 28, 28, dtype=torch.uint8))
    html = tiles(rows, "over training", ["0", "1,000", "`last`"])
    assert len({picture.size for picture in pictures(html)}) == 1
    assert re.findall(r"<span>(.*?)</span>", html) == ["0", "1,000", "<code>last</code>"]
    assert 'alt="over training: last"' in html
    with pytest.raises(ValueError, match="longer"):
        tiles(rows, "over training", ["0", "1,000"])


def test_numbers_stand_with_their_picture_and_text_is_escaped() -> None:
    page = Page("a < b")
    picture = chart(Image.new("RGB", (40, 20), "white"), "white")
    page.figure(Figure(picture, "a `code` & more", {"distance": "8", "D(G(z)) <": "0.40"}))
    page.row(Figure(picture, "one"), Figure(picture, "two", {"n": "2"}))
    page.bars("fd", {"real": 8.0, "worse": 32.0, "none": 0.0})
    page.commands(["limner map a > b"])
    html = page.html()
    first, second = re.findall(r"<figure>.*?</figure>", html)[:2]
    assert "<dt>distance</dt><dd>8</dd>" in first
    assert "<dt>D(G(z)) &lt;</dt><dd>0.40</dd>" in first
    assert "<p>a <code>code</code> &amp; more</p>" in first
    assert "<dl>" not in second, "no empty list"
    assert re.findall(r"<td>(\d+)</td><td><i style=\"width:([\d.]+)%\">", html) == [
        ("8", "25.0"), ("32", "100.0"), ("0", "0.0"),
    ]  # fmt: skip
    assert "<title>a &lt; b</title>" in html
    assert "limner map a &gt; b" in html


def test_a_page_needs_no_network_and_no_script_and_has_a_dark_mode() -> None:
    html = Page("Title").html()
    assert "<script" not in html
    assert not re.findall(r"https?:|url\(|@import", html)
    assert "prefers-color-scheme: dark" in html
    assert 'name="viewport"' in html


def test_code_in_text() -> None:
    assert format_text("run `a < b` & c") == "run <code>a &lt; b</code> &amp; c"


def test_real_digits_are_used_where_they_are_installed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if is_available("mnist-5k"):
        data = load_digits()
        assert data.name == "mnist-5k"
        assert capsys.readouterr().err == "data: mnist-5k\n"
        assert "real handwritten digits of MNIST, 28x28" in describe_digits(data)
    monkeypatch.setattr(mnist_5k, "PACKAGE", "no_such_package")
    data = load_digits()
    assert data.name == "digits"
    assert "pip install 'limner[mnist-5k]'" in capsys.readouterr().err
    assert "8x8" in describe_digits(data)
    load_digits(quiet=True)
    assert capsys.readouterr().err == ""
