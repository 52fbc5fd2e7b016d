"""White shapes on black with known factors, after dSprites (Matthey et al. 2017); limner draws them.

Every combination of five factors is one image: shape (square, ellipse, heart), size, orientation, x, y.

    pixel = clip(1/2 - d, 0, 1),  d the signed distance in pixels from the pixel's middle to the outline

This formula anti-aliases a straight edge exactly.  Images are 32x32, so that strided convolutions halve them
evenly.  All shapes of one size have the same area, so the area does not reveal the shape.  Orientation
covers a quarter turn in 8 steps: a square turned further would repeat.  No two combinations look alike.
dSprites differs: it has 737,280 images of 64x64 pixels without grey values, and turns all shapes a full turn,
so that squares and ellipses repeat; its shapes of one size differ in area.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from limner.errors import LimnerError

SIDE = 32
CLASSES = ("square", "ellipse", "heart")
FACTORS: dict[str, int] = {"shape": 3, "size": 4, "orientation": 8, "x": 8, "y": 8}  # numbers of values
SIZES = np.linspace(5, 11, FACTORS["size"])  # square roots of the area, in pixels
ANGLES = np.arange(FACTORS["orientation"]) * (math.pi / 2 / FACTORS["orientation"])  # anticlockwise
POSITIONS = np.linspace(10, SIDE - 10, FACTORS["x"])  # of the middle, from the left or the top, in pixels
TEST_COUNT = 1024  # of the 6,144 images: a sixth
SPLIT_SEED = 0
CHUNK = 512  # images drawn at a time: the arrays then fit in the processor's cache

Distance = Callable[[np.ndarray, np.ndarray], np.ndarray]  # (u, v) -> signed distance to an outline of area 1


def draw(factors: Tensor | np.ndarray) -> Tensor:
    """The images of factors (n, 5), integers below FACTORS and in its order: uint8 (n, 1, 32, 32).

    Raises LimnerError for another shape, for numbers that are not integers, and for a value out of range.
    """
    values = _check_factors(factors)
    pixels = np.empty((len(values), 1, SIDE, SIDE), np.uint8)
    for shape, distance in enumerate(DISTANCES):
        rows = np.flatnonzero(values[:, 0] == shape)
        for start in range(0, len(rows), CHUNK):
            chunk = rows[start : start + CHUNK]
            pixels[chunk, 0] = _render(distance, values[chunk])
    return torch.from_numpy(pixels)


def factors_of(split: Literal["train", "test"]) -> Tensor:
    """The factors (n, 5), int64, of the images of `load("shapes")`, in the order of the images."""
    if split not in ("train", "test"):
        raise LimnerError(f"'{split}' is no split: choose from: train, test")
    combinations = np.indices(tuple(FACTORS.values())).reshape(len(FACTORS), -1).T
    order = np.random.RandomState(SPLIT_SEED).permutation(len(combinations))  # the same in every numpy
    rows = order[TEST_COUNT:] if split == "train" else order[:TEST_COUNT]
    return torch.from_numpy(combinations[rows].astype(np.int64))


def _check_factors(factors: Tensor | np.ndarray) -> np.ndarray:
    values = np.asarray(factors)
    if values.ndim != 2 or values.shape[1] != len(FACTORS) or values.dtype.kind not in "iu":
        raise LimnerError(
            f"factors of shape {values.shape}, {values.dtype}: give integers (n, {len(FACTORS)}), "
            f"the columns {', '.join(FACTORS)}"
        )
    for (name, number), column in zip(FACTORS.items(), values.T, strict=True):
        if len(column) and not (column.min() >= 0 and column.max() < number):
            raise LimnerError(f"{name} from {column.min()} to {column.max()}: give 0 to {number - 1}")
    return values


def _render(distance: Distance, values: np.ndarray) -> np.ndarray:
    """The images uint8 (n, 32, 32) of factors (n, 5) that all have one shape."""
    _, size, orientation, x, y = values.T
    centres = np.arange(SIDE) + 0.5  # of the pixels
    scale = SIZES[size][:, None, None]
    cosine = np.cos(ANGLES[orientation])[:, None, None]
    sine = np.sin(ANGLES[orientation])[:, None, None]
    right = (centres - POSITIONS[x][:, None])[:, None, :]
    up = (POSITIONS[y][:, None] - centres)[:, :, None]
    u = (cosine * right + sine * up) / scale  # (n, 32, 32): pixels in the coordinates of the shape
    v = (cosine * up - sine * right) / scale
    pixels = np.clip(0.5 - scale * distance(u, v), 0, 1)
    return np.rint(255 * pixels).astype(np.uint8)


def _box_distance(u: np.ndarray, v: np.ndarray, half: float) -> np.ndarray:
    """The distance to a square of side 2 half."""
    du, dv = np.abs(u) - half, np.abs(v) - half
    return np.hypot(np.maximum(du, 0), np.maximum(dv, 0)) + np.minimum(np.maximum(du, dv), 0)


def _square_distance(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return _box_distance(u, v, 0.5)


def _ellipse_distance(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Twice as wide as high; the distance to first order, f / |grad f| with f = |(u / a, v / b)| - 1."""
    b = 1 / math.sqrt(2 * math.pi)
    a = 2 * b
    radius, slope = np.hypot(u / a, v / b), np.hypot(u / a**2, v / b**2)
    epsilon = 1e-9  # radius and slope are both 0 at the middle
    return (radius - 1) * (radius + epsilon) / (slope + epsilon)


def _heart_distance(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """A square that stands on a corner, with half a disc on each upper side; its middle is the square's."""
    half = 1 / math.sqrt(4 + math.pi)  # half the side of the square, and the radius of the discs
    offset = half / math.sqrt(2)
    discs = np.hypot(np.abs(u) - offset, v - offset) - half
    square = _box_distance((u + v) / math.sqrt(2), (u - v) / math.sqrt(2), half)
    return np.minimum(discs, square)


DISTANCES: tuple[Distance, ...] = (_square_distance, _ellipse_distance, _heart_distance)  # as in CLASSES
