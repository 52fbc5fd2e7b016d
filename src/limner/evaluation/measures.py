"""What an evaluation finds: a table of measures, each with its error, its floor and its n."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import torch
from torch import Tensor

COLUMNS = ("", "measure", "value", "±", "real", "n", "")


@dataclass(frozen=True)
class Measure:
    """One number of a run, of a `family` of such.

    `error` is a standard error, `floor` the same measure of real images in place of the model's, `n` the
    images it was taken on, `note` what else a reader must know, `better` which way is good.  `each` holds
    the values of single test images where it is their mean, so that runs can be compared image by image.
    """

    name: str
    value: float
    n: int
    error: float | None = None
    floor: float | None = None
    better: str = ""  # "lower", "higher" or, where neither is good in itself, nothing
    note: str = ""
    form: str = "#.3g"
    each: Tensor | None = field(default=None, compare=False, repr=False)
    family: str = ""

    def show(self, value: float | None) -> str:
        """A number of this measure as text; nothing where there is none."""
        return "" if value is None else f"{value + 0.0:{self.form}}".rstrip(".")  # + 0.0: no -0.0

    def cells(self) -> tuple[str, ...]:
        """What stands in the table's columns."""
        error = "" if self.error is None else f"{self.error:.2g}"
        shown = self.show(max(self.value, 0.0) if self.name.startswith("fd[") else self.value)
        return (self.family, self.name, shown, error, self.show(self.floor), f"{self.n:,}", self.note)


def mean_of(name: str, each: Tensor, **about: Any) -> Measure:
    """The mean of one value per image (n,), with its standard error."""
    each = each.double()
    error = float(each.std() / len(each) ** 0.5) if len(each) > 1 else None
    return Measure(name, float(each.mean()), len(each), error, each=each, **about)


@dataclass(frozen=True)
class Evaluation:
    """All measures of one run, or the means over runs that differ in the seed only.

    `about` names the run, its data, the extractor, seeds, versions and machine; `left_out` says what could
    not be measured and why; `header` are the lines above the table.
    """

    header: Sequence[str]
    measures: Sequence[Measure]
    left_out: Sequence[str]
    about: dict[str, Any]

    def __getitem__(self, name: str) -> Measure:
        """The measure of that name; KeyError where there is none."""
        for measure in self.measures:
            if measure.name == name:
                return measure
        raise KeyError(name)

    def table(self) -> str:
        """The measures as text, each family named once."""
        lines: list[tuple[str, ...]] = [COLUMNS]
        for before, measure in zip([None, *self.measures], self.measures, strict=False):
            cells = measure.cells()
            again = before is not None and before.family == measure.family
            lines.append(("", *cells[1:]) if again else cells)
        return columned(lines, right=(2, 3, 4, 5))

    def json(self) -> dict[str, Any]:
        """What evaluation.json holds: all but the single images' values; None for what is not finite."""
        kept = [field.name for field in fields(Measure) if field.name not in ("each", "form")]
        measures = [{name: finite(getattr(one, name)) for name in kept} for one in self.measures]
        return {**self.about, "measures": measures, "left_out": list(self.left_out)}


def finite(value: Any) -> Any:
    """The value, or None for a number that JSON cannot hold."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def each_of(measures: Sequence[Measure]) -> dict[str, Tensor]:
    """The single images' values by 'family: measure'."""
    return {f"{m.family}: {m.name}": m.each for m in measures if m.each is not None}


def columned(lines: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Cells in columns wide enough for each, those numbered in `right` aligned there."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    shown = [
        "  ".join(f"{cell:{'>' if i in right else '<'}{widths[i]}s}" for i, cell in enumerate(line))
        for line in lines
    ]
    return "\n".join(line.rstrip() for line in shown)


def over_seeds(evaluations: Sequence[Evaluation]) -> list[Measure]:
    """The mean of each measure over runs (two or more), its error the deviation between them.

    A note that is not the same of all runs, for it has numbers of theirs, is left out.
    """
    found = []
    for measure in evaluations[0].measures:
        same = [
            m for e in evaluations for m in e.measures if (m.family, m.name) == (measure.family, measure.name)
        ]
        if len(same) < len(evaluations):
            continue  # not every run has it
        values = torch.tensor([m.value for m in same], dtype=torch.float64)
        floors = [m.floor for m in same if m.floor is not None]
        floor = sum(floors) / len(floors) if floors else None
        note = measure.note if len({m.note for m in same}) == 1 else ""
        about: dict[str, Any] = {"better": measure.better, "note": note, "form": measure.form}
        mean, deviation = float(values.mean()), float(values.std())
        found.append(Measure(measure.name, mean, measure.n, deviation, floor, family=measure.family, **about))
    return found
