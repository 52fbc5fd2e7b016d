"""The result of `ablate`: a table of effects, and the two files that hold it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limner.files import write_json, write_text
from limner.recipes.effects import Effect
from limner.tables import format_table

COLUMNS = ("measure", "switch", "base", "difference", "95 % interval", "seeds", "verdict")


@dataclass(frozen=True)
class Ablation:
    """A row for each measure and switch, those of the primary measure first.

    `record` holds the settings and each run's values; `seconds` includes training in earlier, interrupted
    attempts.
    """

    title: str
    rows: Sequence[Effect]
    notes: Sequence[str]
    folder: Path
    seconds: float
    record: Mapping[str, Any]

    def cells(self) -> list[tuple[str, ...]]:
        """The table's lines, its head first; a measure is named once."""
        lines: list[tuple[str, ...]] = [COLUMNS]
        previous = ""
        for row in self.rows:
            name = "" if row.measure == previous else f"{row.measure}, {row.better} is better"
            lines.append((name, *row.cells()))
            previous = row.measure
        return lines

    def table(self) -> str:
        """The rows as text in columns."""
        return format_table(self.cells(), right=(2, 3, 4, 5))

    def markdown(self) -> str:
        """Title, table and notes as Markdown."""
        head, *lines = (f"| {' | '.join(cells)} |" for cells in self.cells())
        rule = f"|{'|'.join('---' for _ in COLUMNS)}|"
        notes = [f"- {note}" for note in self.notes]
        return "\n".join([f"# {self.title}", "", head, rule, *lines, "", *notes, ""])

    def json(self) -> dict[str, Any]:
        """The content of ablation.json."""
        rows = [row._asdict() for row in self.rows]
        result = {"title": self.title, "rows": rows, "notes": list(self.notes), "seconds": self.seconds}
        return {**self.record, **result}

    @property
    def files(self) -> tuple[Path, Path]:
        """The table as Markdown, and all numbers as JSON."""
        return self.folder / "ablation.md", self.folder / "ablation.json"

    def save(self) -> None:
        """Write ablation.md and ablation.json into the folder."""
        table, numbers = self.files
        write_json(numbers, self.json())
        write_text(table, self.markdown())
