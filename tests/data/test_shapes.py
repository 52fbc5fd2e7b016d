"""The shapes: every combination once, in a known order, drawn as their factors say."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch
from torch import Tensor

from limner.data import load
from limner.data.shapes import CLASSES, FACTORS, PLACES, SIZES, draw, factors_of
from limner.errors import LimnerError


@pytest.fixture(scope="module")
def every() -> Tensor:
    """The factors of all images (6144, 5)."""
    return torch.cat([factors_of("train"), factors_of("test")])


@pytest.fixture(scope="module")
def pixels(every: Tensor) -> Tensor:
    """All images, float32 (6144, 32, 32) from 0 to 1."""
    return draw(every)[:, 0] / 255


def one(shape: str, size: int = 3, orientation: int = 0, x: int = 3, y: int = 3) -> Tensor:
    """One image, float64 (32, 32)."""
    return draw(torch.tensor([[CLASSES.index(shape), size, orientation, x, y]]))[0, 0].double() / 255


def test_every_combination_is_there_once(every: Tensor) -> None:
    assert len(every) == np.prod(list(FACTORS.values())) == 6144
    assert len(every.unique(dim=0)) == 6144
    assert every.amin(0).tolist() == [0] * 5
    assert (every.amax(0) + 1).tolist() == list(FACTORS.values())


def test_no_two_images_are_alike(every: Tensor, pixels: Tensor) -> None:
    assert len({image.tobytes() for image in pixels.numpy()}) == 6144
    there = pixels[(every[:, 3] == 3) & (every[:, 4] == 3)].flatten(
        1
    )  # elsewhere the middle tells them apart
    apart = torch.cdist(there, there) + torch.diag(torch.full((len(there),), torch.inf))
    assert len(there) == 96
    assert apart.min() > 0.3  # of a white pixel: seen, not a rounding


def test_load_gives_them_in_the_order_of_factors_of() -> None:
    data = load("shapes")
    assert data.shape == (1, 32, 32)
    assert data.classes == CLASSES
    assert data.notes == ()
    for images, split in ((data.train, "train"), (data.test, "test")):
        factors = factors_of(split)
        assert torch.equal(draw(factors), images.pixels)
        assert torch.equal(factors[:, 0], images.labels)
    assert (len(data.train), len(data.test)) == (5120, 1024)


def test_the_division_stays_as_it_was_published() -> None:
    assert factors_of("train")[:2].tolist() == [[2, 2, 5, 7, 5], [2, 1, 7, 3, 2]]
    assert factors_of("test")[:2].tolist() == [[1, 2, 6, 1, 0], [2, 0, 0, 5, 2]]
    assert factors_of("test")[:, 0].bincount().tolist() == [342, 331, 351]


def test_another_size_keeps_the_order() -> None:
    small = load("shapes", size=16)
    assert torch.equal(small.train.labels, factors_of("train")[:, 0])
    assert len(small.test) == 1024


def test_area_is_of_size_alone(every: Tensor, pixels: Tensor) -> None:
    areas = pixels.sum((1, 2)).numpy()
    assert np.allclose(areas, SIZES[every[:, 1]] ** 2, rtol=0.03, atol=0.5)


def test_shapes_lie_where_their_factors_say(every: Tensor, pixels: Tensor) -> None:
    at = torch.arange(32) + 0.5
    mass = pixels.sum((1, 2))
    across = ((pixels.sum(1) * at).sum(1) / mass).numpy()
    down = ((pixels.sum(2) * at).sum(1) / mass).numpy()
    even = (every[:, 0] != CLASSES.index("heart")).numpy()  # the others' middle is their centre of mass
    assert np.allclose(across[even], PLACES[every[even, 3]], rtol=0, atol=0.1)
    assert np.allclose(down[even], PLACES[every[even, 4]], rtol=0, atol=0.1)
    assert np.abs(down - PLACES[every[:, 4]]).max() < 0.2 * SIZES[-1]
    border = torch.cat([pixels[:, [0, -1]].flatten(1), pixels[:, :, [0, -1]].flatten(1)], 1)
    assert border.max() == 0  # nothing is cut off


def test_an_upright_square_is_exact() -> None:
    middle, half = PLACES[3], SIZES[3] / 2
    edges = np.arange(33)
    share = np.diff(np.clip(edges, middle - half, middle + half))  # of each pixel's side inside
    whole = share == 1
    found = one("square").numpy()
    assert np.abs(found - np.outer(share, share))[whole | (share == 0)].max() <= 0.5 / 255
    assert np.abs(found - np.outer(share, share))[:, whole].max() <= 0.5 / 255  # only corners are rounder


def test_an_ellipse_turns_anticlockwise_and_is_twice_as_long() -> None:
    for step in range(FACTORS["orientation"]):
        image = one("ellipse", orientation=step)
        at = torch.arange(32) + 0.5
        x, y = at[None, :] - PLACES[3], PLACES[3] - at[:, None]  # y upwards
        xx, xy, yy = ((image * product).sum() / image.sum() for product in (x * x, x * y, y * y))
        spread, axes = torch.linalg.eigh(torch.tensor([[xx, xy], [xy, yy]]))
        off = torch.atan2(axes[1, 1], axes[0, 1]).item() - step * np.pi / 16
        assert abs(np.sin(off)) < 0.01  # the long axis, to either end
        assert (spread[1] / spread[0]).sqrt() == pytest.approx(2, rel=0.06)


def test_a_heart_stands_on_its_tip_and_turns() -> None:
    upright = one("heart")
    column = upright.sum(1).numpy()
    rows = np.flatnonzero(column > 0.5)
    assert column[rows[1]] > 2 * column[rows[-2]]  # broad above, a tip below
    middle = round(PLACES[3])
    assert upright[rows[0], middle - 1 : middle + 1].max() < upright[rows[0]].max()  # the cleft
    across = np.arange(32) + 0.5 - PLACES[3]
    leans = [float((one("heart", orientation=k).sum(0).numpy() * across).sum()) for k in (0, 4)]
    assert abs(leans[0]) < 1
    assert leans[1] < -20  # its lobes go to the left


def test_drawing_is_quick_and_no_matter_in_what_company(every: Tensor, pixels: Tensor) -> None:
    began = time.process_time()
    draw(every)
    assert time.process_time() - began < 3
    some = torch.randperm(6144, generator=torch.Generator().manual_seed(0))[:700]
    assert torch.equal(draw(every[some].numpy())[:, 0] / 255, pixels[some])
    assert draw(every[:0]).shape == (0, 1, 32, 32)


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        (torch.zeros(3, 4, dtype=torch.int64), "shape, size, orientation, x, y"),
        (torch.zeros(5, dtype=torch.int64), r"\(n, 5\)"),
        (torch.zeros(3, 5), "float32: give integers"),
        (torch.tensor([[0, 0, 8, 0, 0]]), "orientation from 8 to 8: give 0 to 7"),
        (torch.tensor([[0, -1, 0, 0, 0]]), "size from -1 to -1"),
    ],
)
def test_what_cannot_be_drawn_is_refused(factors: Tensor, message: str) -> None:
    with pytest.raises(LimnerError, match=message):
        draw(factors)


def test_no_other_split() -> None:
    with pytest.raises(LimnerError, match="train, test"):
        factors_of("validation")
