"""What a recipe leaves: rows of 'what, target, reached, verdict', and pictures."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

import limner
from limner.data import Dataset
from limner.recipes import target
from limner.training import Run
from limner.training.checkpoint import write_atomically, write_json
from limner.training.run import read_log


class Row(NamedTuple):
    """One measurement: `target` is empty and `passed` None where it is only reported."""

    what: str
    reached: str
    target: str = ""
    passed: bool | None = None

    @property
    def verdict(self) -> str:
        """'pass', 'MISSED', or nothing where there is no target or none applies."""
        return "" if self.passed is None else "pass" if self.passed else "MISSED"


@dataclass(frozen=True)
class Report:
    """Rows and pictures of one recipe; `seconds` counts training in earlier, stopped attempts too."""

    rows: Sequence[Row]
    pictures: Sequence[Path]
    notes: Sequence[str] = ()
    name: str = ""
    command: str = ""
    seed: int = 0
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether no target was missed."""
        return all(row.passed is not False for row in self.rows)

    @property
    def verdict(self) -> str:
        """The whole in words."""
        if all(row.passed is None for row in self.rows):
            return "not judged: the quick version"
        return "every target reached" if self.passed else "a target was missed"

    def table(self) -> str:
        """The rows as text in columns: what, target, reached, verdict."""
        lines = [("what", "target", "reached", "verdict")]
        lines += [(row.what, row.target, row.reached, row.verdict) for row in self.rows]
        widths = [max(len(line[i]) for line in lines) for i in range(4)]
        shown = [
            "  ".join(f"{cell:{width}s}" for cell, width in zip(line, widths, strict=True)) for line in lines
        ]
        return "\n".join(line.rstrip() for line in shown)


def at_most(what: str, value: float, bound: float, judged: bool, form: str = ".4f") -> Row:
    """A row that passes where the value is at most the bound; not judged in a quick version."""
    return Row(what, f"{value:{form}}", f"at most {bound:{form}}", value <= bound if judged else None)


def at_least(what: str, value: float, bound: float, judged: bool, form: str = ".4f") -> Row:
    """A row that passes where the value is at least the bound; not judged in a quick version."""
    return Row(what, f"{value:{form}}", f"at least {bound:{form}}", value >= bound if judged else None)


def write(path: Path, report: Report) -> None:
    """Write a report as JSON, pictures by their names."""
    content: dict[str, Any] = dataclasses.asdict(report) | {
        "passed": report.passed,
        "about": target(report.name),
    }
    content["rows"] = [row._asdict() for row in report.rows]
    content["pictures"] = [picture.name for picture in report.pictures]
    write_json(path, content)


def trained(path: Path, model: str, data: Dataset, **settings: Any) -> Run:
    """A run in its folder: new, or what was stopped goes on, or what is done as it is."""
    return limner.train(model, data, out=path, resume=(path / "state.pt").exists(), **settings)


def spent(out: Path) -> float:
    """Seconds of training that the runs below a folder have taken so far."""
    return sum(log[-1]["seconds"] for path in out.glob("*/log.jsonl") if (log := read_log(path)))


def save(picture: Image.Image, path: Path) -> Path:
    """Write a picture as a small PNG, grey where it has no colour."""
    write_atomically(path, lambda beside: picture.save(beside, optimize=True))
    return path
