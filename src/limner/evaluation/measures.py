"""The result of an evaluation: a table of measures, each with its error, its floor and its n."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from torch import Tensor

from limner.tables import format_table

COLUMNS = ("", "measure", "value", "±", "real", "n", "")
Better = Literal["lower", "higher", ""]  # which values are better; "" where neither is


@dataclass(frozen=True)
class Measure:
    """One number of a run; `family` is the group of measures that it belongs to.

    `error` is a standard error, `floor` the same measure of real images in place of the model's, `n` the
    number of images, `note` what a reader must know.  `per_image` holds the values of single test images
    where the measure is their mean, so that runs can be compared image by image.
    """

    name: str
    value: float
    n: int
    error: float | None = None
    floor: float | None = None
    better: Better = ""
    note: str = ""
    form: str = "#.3g"
    per_image: Tensor | None = field(default=None, compare=False, repr=False)
    family: str = ""

    def format(self, value: float | None) -> str:
        """A number in this measure's format; '' for None."""
        return "" if value is None else f"{value + 0.0:{self.form}}".rstrip(".")  # + 0.0: no -0.0

    def cells(self) -> tuple[str, ...]:
        """The measure's row of the table."""
        error = "" if self.error is None else f"{self.error:.2g}"
        value = self.format(max(self.value, 0.0) if self.name.startswith("fd[") else self.value)
        return (self.family, self.name, value, error, self.format(self.floor), f"{self.n:,}", self.note)


def mean_measure(
    name: str,
    values: Tensor,
    *,
    floor: float | None = None,
    better: Better = "",
    note: str = "",
    form: str = "#.3g",
) -> Measure:
    """The mean of one value per image (n,), with its standard error."""
    values = values.double()
    error = float(values.std() / len(values) ** 0.5) if len(values) > 1 else None
    mean = float(values.mean())
    return Measure(name, mean, len(values), error, floor, better, note, form, per_image=values)


def standard_error_of_share(share: float, n: int) -> float:
    """The standard error of a share of n images."""
    return (share * (1 - share) / n) ** 0.5


@dataclass(frozen=True)
class Evaluation:
    """All measures of one run, or their means over runs that differ only in the training seed.

    `header` are the lines above the table; `left_out` says what could not be measured, and why; `provenance`
    holds all that the numbers depend on: the run, its data, the extractor, seeds, versions, the machine.
    """

    header: Sequence[str]
    measures: Sequence[Measure]
    left_out: Sequence[str]
    provenance: Mapping[str, Any]

    def __getitem__(self, name: str) -> Measure:
        """The measure of that name; KeyError where there is none."""
        for measure in self.measures:
            if measure.name == name:
                return measure
        raise KeyError(name)

    def table(self) -> str:
        """The measures as text; a family's name stands in its first row only."""
        rows: list[tuple[str, ...]] = [COLUMNS]
        family = ""
        for measure in self.measures:
            cells = measure.cells()
            rows.append(("", *cells[1:]) if measure.family == family else cells)
            family = measure.family
        return format_table(rows, right=(2, 3, 4, 5))

    def json(self) -> dict[str, Any]:
        """The content of evaluation.json: everything but the values of single images; None for infinity."""
        names = [field.name for field in fields(Measure) if field.name not in ("per_image", "form")]
        measures = [{name: finite(getattr(m, name)) for name in names} for m in self.measures]
        return {**self.provenance, "measures": measures, "left_out": list(self.left_out)}


def finite(value: Any) -> Any:
    """The value, or None for a number that JSON cannot hold."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def per_image_values(measures: Sequence[Measure]) -> dict[str, Tensor]:
    """The values of single images by 'family: measure'."""
    return {f"{m.family}: {m.name}": m.per_image for m in measures if m.per_image is not None}
