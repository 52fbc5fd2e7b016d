"""Names and places of run folders: which run is the newest, and where a new one goes."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

from limner.errors import LimnerError
from limner.files import is_unfinished, refuse_below_file, remove_unfinished
from limner.training.lock import NAME, Locked, RunLock

RUNS = Path("runs")


def latest_run(model: str, data: str) -> Path | None:
    """The newest run of that model on that data under runs/."""
    pattern = re.compile(re.escape(run_stem(model, data)) + r"-(\d{4,})")
    runs = [path.parent for path in RUNS.glob("*/run.json")]
    numbered = [(int(match[1]), path) for path in runs if (match := pattern.fullmatch(path.name))]
    return max(numbered)[1] if numbered else None


def run_stem(model: str, data: str) -> str:
    """The part of a new run's name before its number."""
    return f"{re.sub(r'[^A-Za-z0-9.-]+', '-', model.rpartition(':')[2])}-{data}"


def new_folder(model: str, data: str, out: Path | None) -> RunLock:
    """Make and lock a new run's folder: `out`, new or empty, or the next free number under runs/.

    A folder counts as empty where it holds only what a killed process left; that is removed.
    """
    if out is not None:
        refuse_below_file(out)
        if (out / "run.json").exists():
            raise LimnerError(f"{out} is a run already: go on with --resume, or choose another --out")
        if (lock := _take(out)) is None:
            raise LimnerError(f"{out} exists and is not an empty folder: choose another --out")
        return lock
    last = latest_run(model, data)
    number = int(last.name.rpartition("-")[2]) if last else 0
    while True:
        number += 1
        path = RUNS / f"{run_stem(model, data)}-{number:04d}"
        with contextlib.suppress(Locked):  # another process took the number
            if (lock := _take(path)) is not None:
                return lock


def _take(folder: Path) -> RunLock | None:
    """The lock on a new or an empty folder; None where something is there already."""
    new = not folder.exists()
    if not new and not _is_empty(folder):
        return None
    folder.mkdir(parents=True, exist_ok=True)
    lock = RunLock(folder, new)
    if not _is_empty(folder):  # another process was quicker
        lock.release()
        return None
    remove_unfinished(folder)
    return lock


def _is_empty(folder: Path) -> bool:
    """Whether a path is a folder that holds nothing but what a killed process left."""
    return folder.is_dir() and all(path.name == NAME or is_unfinished(path) for path in folder.iterdir())
