"""Pictures: every image where it belongs with its own values, every text inside the page."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from limner import figures, plots
from limner.figures import (
    GAP,
    MARGIN,
    fit_text,
    grid,
    measure_text,
    sheet,
    thumbnails,
    to_pil,
    wrap_text,
)
from limner.plots import curves, scatter

SHAPES = [(1, 28, 28), (1, 28, 20), (3, 32, 32), (3, 64, 64)]


def images(n: int, shape: tuple[int, int, int]) -> torch.Tensor:
    return torch.randint(0, 256, (n, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(n))


def edges_are_white(picture: Image.Image) -> bool:
    array = np.asarray(picture.convert("L"))
    return all(int(edge.min()) == 255 for edge in (array[0], array[-1], array[:, 0], array[:, -1]))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_grid_holds_the_images_unchanged(shape: tuple[int, int, int]) -> None:
    pixels = images(5, shape)
    picture = grid(pixels, columns=3, scale=1)
    assert picture.mode == ("L" if shape[0] == 1 else "RGB")
    left, top = GAP + shape[2] + GAP, GAP + shape[1] + GAP  # the fifth: second row, second column
    tile = picture.crop((left, top, left + shape[2], top + shape[1]))
    assert np.array_equal(np.asarray(tile), np.asarray(to_pil(pixels[4])))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_sheet_holds_the_images_and_cuts_no_text_off(shape: tuple[int, int, int]) -> None:
    rows = [images(3, shape), images(2, shape)]
    picture = sheet(
        rows,
        title="A title that is long enough to be broken into two lines, whatever the width of the images",
        row_labels=["a", "a longer label"],
        column_labels=["1", "2", "3"],
        captions=[[], ["a name much too long to stand below so small an image.jpeg\n2", "b"]],
        scale=1,
    )
    assert picture.mode == ("L" if shape[0] == 1 else "RGB")
    assert edges_are_white(picture)
    whole, tile = np.asarray(picture), np.asarray(to_pil(rows[1][1]))
    spots = [
        (y, x)
        for y in range(whole.shape[0] - shape[1] + 1)
        for x in np.flatnonzero((whole[y].reshape(whole.shape[1], -1) == tile[0, 0]).all(1))
        if np.array_equal(whole[y : y + shape[1], x : x + shape[2]], tile)
    ]
    assert len(spots) == 1


def test_a_plain_sheet_has_no_more_than_its_margins() -> None:
    assert sheet([images(4, (1, 28, 28))], scale=1, gap=0).size == (4 * 28 + 2 * MARGIN, 28 + 2 * MARGIN)


def test_a_mark_needs_colour_and_frames_its_image() -> None:
    rows = [torch.zeros(2, 1, 28, 28, dtype=torch.uint8)]
    marked = sheet(rows, marked=[(0, 1)], scale=1)
    assert marked.mode == "RGB"
    colours = {colour for _, colour in marked.getcolors() or ()}
    assert colours == {(255, 255, 255), (0, 0, 0), (0xFF, 0xA9, 0x0E)}


def test_text_is_broken_between_words_and_fitted_in_the_middle() -> None:
    lines = wrap_text("one two three\nfour", 60)
    assert " ".join(lines) == "one two three four"
    assert lines[-1] == "four"
    assert all(measure_text(line, figures.TITLE) <= 60 for line in lines)
    assert fit_text("short", 100) == "short"
    short = fit_text("a-very-long-file-name.png", 80)
    assert measure_text(short) <= 80
    assert short[0] == "a"
    assert "…" in short
    assert short[-1] == "g"


@pytest.mark.parametrize("labels", [None, np.arange(60) % 13])
@pytest.mark.parametrize("axes", [None, ("first", "second")])
def test_a_scatter_fits_its_page(labels: np.ndarray | None, axes: tuple[str, str] | None) -> None:
    points = np.random.default_rng(0).normal(size=(60, 2))
    names = [f"class number {i}" for i in range(13)]
    assert edges_are_white(scatter(points, labels, names, title="long " * 40, axes=axes))


def test_thumbnails_do_not_cover_each_other() -> None:
    points = np.array([[0.0, 0.0], [0.001, 0.0], [1.0, 1.0]])
    colours = torch.tensor([[250, 0, 0], [0, 250, 0], [0, 0, 250]], dtype=torch.uint8)
    pixels = colours[:, :, None, None].expand(3, 3, 32, 32).contiguous()
    picture = thumbnails(points, pixels, np.array([0, 1, 0]), ["cat", "dog"], title="three")
    counts = {colour: n for n, colour in picture.getcolors(1 << 20) or ()}
    assert counts[250, 0, 0] == counts[0, 0, 250] == 32 * 32
    assert (0, 250, 0) not in counts
    assert edges_are_white(picture)
    spots = np.argwhere((np.asarray(picture) == [0, 0, 250]).all(2))
    assert spots[:, 1].min() > 500, "x grows to the right"
    assert spots[:, 0].max() < 500, "and y upwards"


def test_curves_fit_their_pages() -> None:
    series = {"a": ([1, 10, 100_000], [0.1, 0.2, 0.3]), "b": ([1, 2], [3, 4])}
    assert edges_are_white(curves(series, xlabel="images seen", ylabel="nats per image", title="two"))
    assert edges_are_white(curves(series, xlabel="x", ylabel="y", log_x=True, log_y=True))


def test_a_name_does_not_cover_the_only_dot_of_its_class() -> None:
    points = np.array([[0.0, 0.0], [1.0, 1.0], [0.5, 0.2]])
    picture = np.asarray(scatter(points, np.array([0, 1, 2]), ["A", "B", "C"], legend=False)).astype(int)
    for colour in plots.COLOURS[:3]:
        rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
        shown = 0.8 * rgb + 0.2 * 255  # alpha 0.8 on white
        dots = (np.abs(picture - shown) < 12).all(axis=2).sum()
        assert dots > 0.7 * np.pi / 4 * 30 * (120 / 72) ** 2, "a dot of 30 square points, at 120 an inch"


def test_names_of_classes_do_not_cover_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["daisy", "dandelion", "roses", "sunflowers", "tulips"]
    points = np.random.default_rng(0).normal(size=(500, 2))
    boxes = []

    def record(ax: Axes, point: tuple[float, float], text: str) -> None:
        x, y = ax.transData.transform(point)
        boxes.append((x, y, measure_text(text, plots.NAME_SIZE) / 2))

    monkeypatch.setattr(plots, "write_halo", record)
    scatter(points, np.arange(500) % 5, names, axes=("a", "b"))
    assert len(boxes) == 5
    for i, (x, y, half) in enumerate(boxes):
        for u, v, other in boxes[:i]:
            assert abs(x - u) > half + other or abs(y - v) > plots.NAME_HEIGHT


@pytest.mark.parametrize("top", [4.5e2, 2e4, 3e-3])
def test_logarithmic_axes_have_plain_numbers(top: float, monkeypatch: pytest.MonkeyPatch) -> None:
    texts: list[str] = []

    def record(figure: Figure) -> Image.Image:
        figure.canvas.draw()
        texts.extend(label.get_text() for label in figure.axes[0].get_yticklabels(which="both"))
        return Image.new("L", (1, 1))

    monkeypatch.setattr(plots, "render", record)
    for low in (0.8, 0.1, 1e-4):
        curves({"a": ([1, 2], [low * top, top])}, xlabel="x", ylabel="y", log_y=True)
    assert len([text for text in texts if text]) >= 6
    assert not [text for text in texts if "10^" in text or "times" in text]
