"""The result of a recipe: rows of 'what, target, reached, verdict', and pictures."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from limner.files import write_atomically, write_json
from limner.tables import format_table
from limner.train_run import Data, train
from limner.training import Run
from limner.training.log import read_log


class Row(NamedTuple):
    """One measurement: `target` is empty and `passed` None where it is only reported."""

    what: str
    reached: str
    target: str = ""
    passed: bool | None = None

    @property
    def verdict(self) -> str:
        """'pass', 'MISSED', or '' where no target applies."""
        if self.passed is None:
            return ""
        return "pass" if self.passed else "MISSED"


@dataclass(frozen=True)
class Report:
    """Rows and pictures of one recipe; `seconds` includes training in earlier, interrupted attempts."""

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
        """The verdict on all rows in words."""
        if all(row.passed is None for row in self.rows):
            return "not judged: the quick version"
        return "every target reached" if self.passed else "a target was missed"

    def table(self) -> str:
        """The rows as text in columns: what, target, reached, verdict."""
        head = ("what", "target", "reached", "verdict")
        return format_table([head, *((row.what, row.target, row.reached, row.verdict) for row in self.rows)])

    def json(self) -> dict[str, Any]:
        """The content of report.json; pictures by their file names."""
        content = dataclasses.asdict(self) | {"passed": self.passed}
        content["rows"] = [row._asdict() for row in self.rows]
        content["pictures"] = [picture.name for picture in self.pictures]
        return content


def at_most(what: str, value: float, bound: float, judged: bool, form: str = ".4f") -> Row:
    """A row that passes where the value is at most the bound; not judged in a quick version."""
    return Row(what, f"{value:{form}}", f"at most {bound:{form}}", value <= bound if judged else None)


def at_least(what: str, value: float, bound: float, judged: bool, form: str = ".4f") -> Row:
    """A row that passes where the value is at least the bound; not judged in a quick version."""
    return Row(what, f"{value:{form}}", f"at least {bound:{form}}", value >= bound if judged else None)


def write_report(path: Path, report: Report, target: str) -> None:
    """Write a report as JSON, with the recipe's target in words."""
    write_json(path, report.json() | {"target": target})


def train_or_resume(path: Path, model: str, data: Data, **settings: Any) -> Run:
    """The run in a folder: trained now, resumed if it was interrupted, unchanged if it is complete."""
    return train(model, data, out=path, resume=(path / "run.json").exists(), **settings)


def training_seconds(folder: Path) -> float:
    """Seconds of training that the runs below a folder have taken so far."""
    return sum(log[-1]["seconds"] for path in folder.glob("*/log.jsonl") if (log := read_log(path)))


def save_picture(picture: Image.Image, path: Path) -> Path:
    """Write a picture as a small PNG and return its path."""
    write_atomically(path, lambda beside: picture.save(beside, optimize=True))
    return path
