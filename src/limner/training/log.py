"""A run's log: one JSON object per tick and line."""

from __future__ import annotations

import json
from math import isfinite
from pathlib import Path
from typing import Any

from limner.errors import LimnerError
from limner.files import write_text


def append_line(path: Path, line: dict[str, Any]) -> None:
    """Append a line, without the numbers that are infinite or not a number, which JSON cannot hold."""
    finite = {name: v for name, v in line.items() if not isinstance(v, float) or isfinite(v)}
    with open(path, "a") as file:
        file.write(json.dumps(finite) + "\n")


def read_log(path: Path) -> list[dict[str, Any]]:
    """The lines of a log; a last line cut short by a crash is left out."""
    if not path.exists():
        return []
    lines: list[dict[str, Any]] = []
    for text in path.read_text(errors="replace").splitlines():
        try:
            line = json.loads(text)
        except json.JSONDecodeError:
            break
        if not isinstance(line, dict) or "images" not in line:
            raise LimnerError(f"{path} is not the log of a run of ours: line {len(lines) + 1} is foreign")
        lines.append(line)
    return lines


def cut_log(path: Path, images: int) -> list[dict[str, Any]]:
    """Drop the lines from after so many images, which training repeats; returns the lines that stay."""
    lines = [line for line in read_log(path) if line["images"] <= images]
    write_text(path, "".join(json.dumps(line) + "\n" for line in lines))
    return lines
