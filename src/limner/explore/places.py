"""Places in the space of codes, as settings: a point, how far it is moved along axes, and what is drawn."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from limner.settings import NonNegativeInt, Settings

MOST_AXES = 32  # directions, and variables of a code, that are listed
REACH = 10.0  # standard deviations that a place may lie away along an axis
GROUPS = "A - B"  # the axis between the means of two groups of places; no stored direction can have this name
LONGEST_CODE = 64  # numbers of a code that a place may give
Base = Literal["seed", "image", "mean", "code"]
Number = Annotated[int, Field(ge=0, lt=2 * MOST_AXES)]  # of an axis
Units = Annotated[float, Field(ge=-REACH, le=REACH)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


class Spot(Settings):
    """A point, and how far its code is moved along axes of the model."""

    base: Base = "seed"
    """the code of a seed, that of a test image, the mean of codes, or the given code"""
    number: Seed = 0
    """the seed, or the test image's index"""
    code: Annotated[tuple[Annotated[float, Field(ge=-1e6, le=1e6)], ...], Field(max_length=LONGEST_CODE)] = ()
    """the numbers of the given code"""
    label: str | None = None
    """the class, for models that learn classes"""
    truncation: Annotated[float, Field(ge=0, le=2)] = 1.0
    """how far styles keep from their mean"""
    second: Seed = 0
    """the seed of the styles that are mixed in"""
    mixed: Annotated[tuple[Literal["coarse", "middle", "fine"], ...], Field(max_length=3)] = ()
    """the layers that have them"""
    moves: Annotated[tuple[tuple[Number | str, Units], ...], Field(max_length=16)] = ()
    """axes, by number or by the name of a direction that is stored with the run, and standard deviations"""


class Groups(Settings):
    """Two groups of places, whose means differ along an axis."""

    a: Annotated[tuple[Spot, ...], Field(min_length=1, max_length=16)]
    """towards which the axis goes"""
    b: Annotated[tuple[Spot, ...], Field(min_length=1, max_length=16)]
    """from which it comes"""


class Place(Spot):
    """A spot that may also be moved along the axis GROUPS, from the mean of b to that of a."""

    between: Groups | None = None
    """the groups of that axis"""


class Strip(Settings):
    """Images along one axis."""

    axis: NonNegativeInt | str
    """its number, or its name"""
    steps: Annotated[int, Field(ge=2, le=25)] = 7
    """images"""
    span: Annotated[float, Field(gt=0, le=REACH)] = 3.0
    """standard deviations to either side"""


class Grid(Settings):
    """Images over two axes."""

    across: NonNegativeInt | str
    """the axis from left to right"""
    up: NonNegativeInt | str
    """the axis from bottom to top"""
    side: Annotated[int, Field(ge=2, le=15)] = 7
    """images in a row, and in a column"""
    span: Annotated[float, Field(gt=0, le=REACH)] = 3.0
    """standard deviations to either side"""
