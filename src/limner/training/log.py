"""A run's log: one JSON object per tick and line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from limner.errors import LimnerError
from limner.files import write_problem, write_text

LARGEST = 1e300  # JSON may hold whole numbers that no float does


def append_line(path: Path, line: dict[str, Any]) -> None:
    """Append a line, without the numbers that are infinite or not a number, which JSON cannot hold."""
    finite = {name: value for name, value in line.items() if is_finite(value)}
    if wrong := [name for name, value in finite.items() if not is_entry(name, value)]:
        raise TypeError(f"a log holds numbers and lists of numbers: '{wrong[0]}' is {finite[wrong[0]]!r}")
    try:
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(finite) + "\n")
    except OSError as error:
        raise LimnerError(f"cannot write {path}: {write_problem(error)}; --resume continues") from None


def read_log(path: Path) -> list[dict[str, Any]]:
    """The lines of a log; a last line cut short by a crash is left out.  LimnerError for a foreign line."""
    if not path.exists():
        return []
    *whole, rest = path.read_text(encoding="utf-8", errors="replace").split("\n")
    lines = [parse_line(text) for text in whole]
    if rest and (last := parse_line(rest)) is not None:
        lines.append(last)
    good = [line for line in lines if line is not None]
    if len(good) < len(lines):
        number = lines.index(None) + 1
        raise LimnerError(f"{path} is not the log of a run of ours: line {number} is foreign")
    return good


def parse_line(text: str) -> dict[str, Any] | None:
    """A line of a log; None where it is not one: images seen, measurements, and what the doctor says."""
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):  # not JSON, too long a number, too deep
        return None
    if not isinstance(line, dict) or not isinstance(line.get("images"), int) or line["images"] < 0:
        return None
    return line if all(is_entry(name, value) for name, value in line.items()) else None


def is_entry(name: str, value: Any) -> bool:
    """Whether a log may have this value under this name: numbers, except for the words of the doctor."""
    if name in ("not_finite", "state", "reason"):
        return isinstance(value, str)
    if name == "troubles":
        return isinstance(value, list) and all(isinstance(trouble, str) for trouble in value)
    single = name in ("images", "seconds", "images_per_second") or name.startswith(("doctor/", "loss/"))
    numbers = value if isinstance(value, list) and not single else [value]
    return all(isinstance(number, int | float) and is_finite(number) for number in numbers)


def is_finite(value: Any) -> bool:
    """Whether all numbers of a value are finite; True for text."""
    numbers = value if isinstance(value, list) else [value]
    return all(abs(number) <= LARGEST for number in numbers if isinstance(number, int | float))


def cut_log(path: Path, images: int) -> list[dict[str, Any]]:
    """Drop the lines from after so many images, which training repeats; returns the lines that stay."""
    lines = [line for line in read_log(path) if line["images"] <= images]
    write_text(path, "".join(json.dumps(line) + "\n" for line in lines))
    return lines
