"""The shapes: every combination of factors once, in a known order, drawn correctly."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch
from torch import Tensor

from limner.data import load
from limner.data.shapes import CLASSES, FACTORS, POSITIONS, SIZES, draw, factors_of
from limner.errors import LimnerError


@pytest.fixture(scope="module")
def factors() -> Tensor:
    """The factors of all images (6144, 5)."""
    return torch.cat([factors_of("train"), factors_of("test")])


@pytest.fixture(scope="module")
def pixels(factors: Tensor) -> Tensor:
    """All images, float32 (6144, 32, 32) from 0 to 1."""
    return draw(factors)[:, 0] / 255


def draw_one(shape: str, size: int = 3, orientation: int = 0, x: int = 3, y: int = 3) -> Tensor:
    """One image, float64 (32, 32)."""
    return draw(torch.tensor([[CLASSES.index(shape), size, orientation, x, y]]))[0, 0].double() / 255


def test_every_combination_occurs_once(factors: Tensor) -> None:
    assert len(factors) == np.prod(list(FACTORS.values())) == 6144
    assert len(factors.unique(dim=0)) == 6144
    assert factors.amin(0).tolist() == [0] * 5
    assert (factors.amax(0) + 1).tolist() == list(FACTORS.values())


def test_no_two_images_are_alike(factors: Tensor, pixels: Tensor) -> None:
    assert len({image.tobytes() for image in pixels.numpy()}) == 6144
    at_one_position = (factors[:, 3] == 3) & (factors[:, 4] == 3)  # other positions differ in the middle
    images = pixels[at_one_position].flatten(1)
    assert len(images) == 96
    distances = torch.cdist(images, images).fill_diagonal_(torch.inf)
    assert distances.min() > 0.3  # in white pixels: visible, more than rounding


def test_load_returns_images_in_the_order_of_factors_of() -> None:
    data = load("shapes")
    assert data.shape == (1, 32, 32)
    assert data.classes == CLASSES
    assert data.notes == ()
    for images, split in ((data.train, "train"), (data.test, "test")):
        assert torch.equal(draw(factors_of(split)), images.pixels)
        assert torch.equal(factors_of(split)[:, 0], images.labels)
    assert (len(data.train), len(data.test)) == (5120, 1024)


def test_the_split_is_the_same_in_every_version() -> None:
    assert factors_of("train")[:2].tolist() == [[2, 2, 5, 7, 5], [2, 1, 7, 3, 2]]
    assert factors_of("test")[:2].tolist() == [[1, 2, 6, 1, 0], [2, 0, 0, 5, 2]]
    assert factors_of("test")[:, 0].bincount().tolist() == [342, 331, 351]


def test_another_size_keeps_the_order() -> None:
    small = load("shapes", size=16)
    assert torch.equal(small.train.labels, factors_of("train")[:, 0])
    assert len(small.test) == 1024


def test_the_area_depends_on_the_size_only(factors: Tensor, pixels: Tensor) -> None:
    areas = pixels.sum((1, 2)).numpy()
    assert np.allclose(areas, SIZES[factors[:, 1]] ** 2, rtol=0.03, atol=0.5)


def test_positions_agree_with_the_factors(factors: Tensor, pixels: Tensor) -> None:
    at = torch.arange(32) + 0.5
    mass = pixels.sum((1, 2))
    across = ((pixels.sum(1) * at).sum(1) / mass).numpy()
    down = ((pixels.sum(2) * at).sum(1) / mass).numpy()
    symmetric = (factors[:, 0] != CLASSES.index("heart")).numpy()  # their middle is their centre of mass
    assert np.allclose(across[symmetric], POSITIONS[factors[symmetric, 3]], rtol=0, atol=0.1)
    assert np.allclose(down[symmetric], POSITIONS[factors[symmetric, 4]], rtol=0, atol=0.1)
    assert np.abs(down - POSITIONS[factors[:, 4]]).max() < 0.2 * SIZES[-1]
    border = torch.cat([pixels[:, [0, -1]].flatten(1), pixels[:, :, [0, -1]].flatten(1)], 1)
    assert border.max() == 0  # nothing is cut off


def test_an_upright_square_is_exact() -> None:
    middle, half = POSITIONS[3], SIZES[3] / 2
    edges = np.arange(33)
    share = np.diff(np.clip(edges, middle - half, middle + half))  # of the side of each pixel, inside
    inside, outside = share == 1, share == 0
    errors = np.abs(draw_one("square").numpy() - np.outer(share, share))
    assert errors[inside | outside].max() <= 0.5 / 255
    assert errors[:, inside].max() <= 0.5 / 255  # only the corners are rounder


def test_an_ellipse_turns_anticlockwise_and_is_twice_as_long() -> None:
    for step in range(FACTORS["orientation"]):
        image = draw_one("ellipse", orientation=step)
        at = torch.arange(32) + 0.5
        x, y = at[None, :] - POSITIONS[3], POSITIONS[3] - at[:, None]  # y upwards
        xx, xy, yy = ((image * product).sum() / image.sum() for product in (x * x, x * y, y * y))
        spread, axes = torch.linalg.eigh(torch.tensor([[xx, xy], [xy, yy]]))
        error = torch.atan2(axes[1, 1], axes[0, 1]).item() - step * np.pi / 16  # of the long axis
        assert abs(np.sin(error)) < 0.01  # sin: an axis has two directions
        assert (spread[1] / spread[0]).sqrt() == pytest.approx(2, rel=0.06)


def test_a_heart_points_down_and_turns() -> None:
    upright = draw_one("heart")
    column = upright.sum(1).numpy()
    rows = np.flatnonzero(column > 0.5)
    assert column[rows[1]] > 2 * column[rows[-2]]  # wide at the top, a tip at the bottom
    middle = round(POSITIONS[3])
    assert (
        upright[rows[0], middle - 1 : middle + 1].max() < upright[rows[0]].max()
    )  # the gap between the lobes
    across = np.arange(32) + 0.5 - POSITIONS[3]
    turned = draw_one("heart", orientation=4)
    assert abs((upright.sum(0).numpy() * across).sum()) < 1
    assert (turned.sum(0).numpy() * across).sum() < -20  # its lobes go to the left


def test_drawing_is_fast_and_images_do_not_depend_on_each_other(factors: Tensor, pixels: Tensor) -> None:
    start = time.process_time()
    draw(factors)
    assert time.process_time() - start < 3
    index = torch.randperm(6144, generator=torch.Generator().manual_seed(0))[:700]
    assert torch.equal(draw(factors[index].numpy())[:, 0] / 255, pixels[index])
    assert draw(factors[:0]).shape == (0, 1, 32, 32)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (torch.zeros(3, 4, dtype=torch.int64), "shape, size, orientation, x, y"),
        (torch.zeros(5, dtype=torch.int64), r"\(n, 5\)"),
        (torch.zeros(3, 5), "float32: give integers"),
        (torch.tensor([[0, 0, 8, 0, 0]]), "orientation from 8 to 8: give 0 to 7"),
        (torch.tensor([[0, -1, 0, 0, 0]]), "size from -1 to -1"),
    ],
)
def test_wrong_factors_are_errors(wrong: Tensor, message: str) -> None:
    with pytest.raises(LimnerError, match=message):
        draw(wrong)


def test_another_split_is_an_error() -> None:
    with pytest.raises(LimnerError, match="train, test"):
        factors_of("validation")
