"""White shapes on black with known factors, drawn by limner, after dSprites (Matthey et al. 2017).

Every combination of five factors is one image: shape (square, ellipse, heart), size, orientation, x, y.

    pixel = clip(1/2 - d, 0, 1),  d the signed distance in pixels from its middle to the outline

which is what anti-aliasing gives on a straight edge.  32x32, so that strided convolutions halve it evenly.
Shapes of one size have one area, so that area tells nothing of shape.  Orientation is a quarter turn in 8
steps, for a further one would show the same square again: no two combinations look alike.
Others differ: dSprites has 64x64 pixels without grey, 737,280 images, and turns all shapes a full turn, so
that squares and ellipses come several times; its shapes of one size differ in area.
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
SIZES = np.linspace(5, 11, FACTORS["size"])  # the root of the area, in pixels
TURNS = np.arange(FACTORS["orientation"]) * (math.pi / 2 / FACTORS["orientation"])  # anticlockwise
PLACES = np.linspace(10, SIDE - 10, FACTORS["x"])  # of the middle, from the left or the top, in pixels
TEST = 1024  # of the 6,144 images: a sixth
SPLIT_SEED = 0
AT_ONCE = 512  # images, which keeps the arithmetic within the processor's cache


def draw(factors: Tensor | np.ndarray) -> Tensor:
    """The images of factors (n, 5), integers below FACTORS, in its order: uint8 (n, 1, 32, 32).

    Raises LimnerError for another shape, for numbers that are not integers, or for a value out of range.
    """
    values = _checked(factors)
    pixels = np.empty((len(values), 1, SIDE, SIDE), np.uint8)
    for shape, outline in enumerate(OUTLINES):
        rows = np.flatnonzero(values[:, 0] == shape)
        for begin in range(0, len(rows), AT_ONCE):
            some = rows[begin : begin + AT_ONCE]
            pixels[some, 0] = _drawn(outline, values[some])
    return torch.from_numpy(pixels)


def factors_of(split: Literal["train", "test"]) -> Tensor:
    """The factors (n, 5) of the images of `load("shapes")`, int64, in their order."""
    if split not in ("train", "test"):
        raise LimnerError(f"'{split}' is no split: choose from: train, test")
    every = np.indices(tuple(FACTORS.values())).reshape(len(FACTORS), -1).T
    order = np.random.RandomState(SPLIT_SEED).permutation(len(every))  # numpy keeps this stream for ever
    return torch.from_numpy(every[order[TEST:] if split == "train" else order[:TEST]].astype(np.int64))


def _checked(factors: Tensor | np.ndarray) -> np.ndarray:
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


Outline = Callable[[np.ndarray, np.ndarray], np.ndarray]


def _drawn(outline: Outline, values: np.ndarray) -> np.ndarray:
    """The images uint8 (n, 32, 32) of factors (n, 5) of one shape, whose outline has area 1."""
    _, size, turn, x, y = values.T
    middle = np.arange(SIDE) + 0.5  # of a pixel
    size, cosine, sine = (a[:, None, None] for a in (SIZES[size], np.cos(TURNS[turn]), np.sin(TURNS[turn])))
    right = (middle - PLACES[x][:, None])[:, None, :]
    up = (PLACES[y][:, None] - middle)[:, :, None]
    u, v = (
        (cosine * right + sine * up) / size,
        (cosine * up - sine * right) / size,
    )  # turned back: (n, 32, 32)
    distance = size * outline(u, v)
    return np.rint(255 * np.clip(0.5 - distance, 0, 1)).astype(np.uint8)


def _box(u: np.ndarray, v: np.ndarray, half: float) -> np.ndarray:
    """The distance to a square of side 2 half."""
    across, along = np.abs(u) - half, np.abs(v) - half
    return np.hypot(np.maximum(across, 0), np.maximum(along, 0)) + np.minimum(np.maximum(across, along), 0)


def _square(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return _box(u, v, 0.5)


def _ellipse(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Twice as wide as high; the distance to first order, f / |grad f| with f = |(u / a, v / b)| - 1."""
    b = 1 / math.sqrt(2 * math.pi)
    a = 2 * b
    radius, slope = np.hypot(u / a, v / b), np.hypot(u / a**2, v / b**2)
    tiny = 1e-9  # in the very middle both are 0
    return (radius - 1) * (radius + tiny) / (slope + tiny)


def _heart(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """A square on its tip with half a disc on each of its two upper sides, its middle in the square's."""
    half = 1 / math.sqrt(4 + math.pi)  # of the side, and the discs' radius
    side = half / math.sqrt(2)
    discs = np.hypot(np.abs(u) - side, v - side) - half
    return np.minimum(discs, _box((u + v) / math.sqrt(2), (u - v) / math.sqrt(2), half))


OUTLINES: tuple[Outline, ...] = (_square, _ellipse, _heart)
