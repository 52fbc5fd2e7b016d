"""The runs of the chosen folder, by names from a scan: the browser never gives a path."""

from __future__ import annotations

import shlex
import threading
from functools import partial
from pathlib import Path
from typing import Any

from limner.errors import LimnerError
from limner.explore.named_directions import FILE as DIRECTIONS
from limner.studio.tail import Tail
from limner.training.checkpoint import images_seen
from limner.training.config import RunConfig
from limner.training.control import NAME as CONTROL
from limner.training.control import read_control
from limner.training.held_out import preview_files
from limner.training.lock import holder, last_holder
from limner.training.queue import NAME as QUEUE
from limner.training.queue import read_place

PARTS = ("run.json", "log.jsonl", "weights.safetensors", "samples")  # any of them makes a folder a run
MOST_RUNS = 500
LIGHTS = {"healthy": "healthy", "trouble": "trouble", "too early to tell": "early"}  # by the doctor's word


class NoRun(LimnerError):
    """There is no run of that name now."""


class Folder:
    """A folder of runs, or one run, read anew at each call."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.tails: dict[Path, Tail] = {}
        self.runs: dict[str, Path] = {}  # of the last scan
        self.lock = threading.Lock()

    def scan(self) -> dict[str, Path]:
        """The folders of runs by name; those that lie elsewhere, behind a link, are left out."""
        if (self.root / "run.json").exists():
            return {self.root.name: self.root}
        try:
            folders = sorted(path for path in self.root.iterdir() if path.is_dir())
        except OSError:
            return {}
        runs = [path for path in folders if not path.name.startswith(".") and is_run(path)]
        return {path.name: path for path in runs[:MOST_RUNS]}

    def find(self, name: str) -> Path:
        """The folder of a run by its name in the scan; NoRun for any other text."""
        if name not in self.runs or not is_run(self.runs[name]):  # else a scan for every move of a pointer
            self.runs = self.scan()
        if name not in self.runs:
            raise NoRun("there is no such run any more")
        return self.runs[name]

    def log(self, path: Path) -> Tail:
        """The log of a run's folder, up to now."""
        with self.lock:
            tail = self.tails.setdefault(path, Tail(inner(path, "log.jsonl")))
            tail.read()
            return tail

    def cards(self) -> list[dict[str, Any]]:
        """What the first page shows of every run, the one that changed last first."""
        cards = [self.card(path) for path in self.scan().values()]
        return sorted(cards, key=lambda card: -card["changed"])

    def card(self, path: Path) -> dict[str, Any]:
        """What is known of a run; `problem` says why that is little."""
        card: dict[str, Any] = {"id": path.name, "problem": "", "status": "unreadable", "light": "unknown"}
        card |= {"changed": changed(path), "picture": None, "images": 0}
        try:
            check_links(path)
            config = RunConfig.read(path / "run.json")
        except (LimnerError, OSError) as error:
            text = " ".join(str(error).split()).replace(f"{path}/", "")
            return card | {"problem": text}
        tail = self.log(path)
        stored = stored_images(path)
        last = tail.lines[-1] if tail.lines else {}
        card |= describe(config) | health(last) | {"problem": tail.problem}
        card["picture"] = max(self.pictures(path), default=None)
        card["images"] = max(last.get("images", 0), stored or 0)
        card["seconds"], card["speed"] = last.get("seconds"), last.get("images_per_second")
        return card | activity(path, config, stored)

    def pictures(self, path: Path) -> dict[int, Path]:
        """The pictures of a run by images seen, those in the run's own folder only."""
        pictures = preview_files(path / "samples")
        return {count: file for count, file in pictures.items() if file.resolve().is_relative_to(path)}


def is_run(path: Path) -> bool:
    """Whether a folder holds a run and lies where its name says, not behind a link."""
    return path.resolve() == path and any((path / part).exists() for part in PARTS)


def check_links(path: Path) -> None:
    """Raise LimnerError where a file of a run lies elsewhere."""
    for part in (*PARTS, DIRECTIONS):
        inner(path, part)


def inner(path: Path, part: str) -> Path:
    """A file of a run's folder; LimnerError where it is a link that leads out of it."""
    file = path / part
    if not file.resolve().is_relative_to(path):
        raise LimnerError(f"its {part} is a link to another place, which the studio does not follow")
    if file.exists() and not (file.is_file() or file.is_dir()):  # a pipe, say, which would block
        raise LimnerError(f"its {part} is no ordinary file")
    return file


def describe(config: RunConfig) -> dict[str, Any]:
    """What run.json says, for a card."""
    parts = config.data.parts()
    return {
        "model": config.model,
        "preset": config.preset,
        "data": config.data.name,
        "shape": "x".join(map(str, parts[0].shape)),
        "target": config.training.images,
        "started": config.started,
    }


def health(line: dict[str, Any]) -> dict[str, Any]:
    """The doctor's light, by the last line of a log: what it says, in words, and why."""
    troubles = line.get("troubles", [])
    state = line.get("state", "no diagnosis" if not troubles else "trouble")
    return {
        "light": LIGHTS.get(state, "unknown"),
        "health": ", ".join(troubles) or state,
        "troubles": troubles,
        "reason": line.get("not_finite") or line.get("reason", ""),
    }


def activity(path: Path, config: RunConfig, stored: int | None) -> dict[str, Any]:
    """Whether a run is in training, and how it can go on."""
    process, control = holder(path), read_control(path)
    command = f"limner train {shlex.quote(config.model)} --resume --out {shlex.quote(str(path))}"
    status: dict[str, Any] = {"process": process, "rate_factor": 1.0, "waiting": False, "resume": command}
    if process is not None:
        place = read_place(path)
        if place is not None and place.process == process:
            stops = control is not None and control.process == process and control.stop
            return status | {"status": "stopping" if stops else "waiting", "behind": place.behind}
        if control is not None and control.process == process:
            obeyed = modified(path / "weights.safetensors") > modified(path / CONTROL)
            status |= {"rate_factor": control.rate_factor, "waiting": not obeyed}
            if control.stop:
                return status | {"status": "stopping"}
            if control.pause:
                return status | {"status": "paused" if obeyed else "pausing"}
        return status | {"status": "training"}
    if stored is None:
        return status | {"status": "killed" if last_holder(path) else "empty", "resume": ""}
    if stored >= (config.training.images or 0):
        return status | {"status": "finished", "resume": ""}
    return status | {"status": "killed" if last_holder(path) else "stopped"}


def stored_images(path: Path) -> int | None:
    """The images that the stored weights have seen; None where there are no weights that can be used."""
    try:
        return images_seen(path / "weights.safetensors")
    except LimnerError:
        return None


def modified(path: Path) -> float:
    """When a file was written last, in seconds; 0 where there is none."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def changed(path: Path) -> float:
    """When a run changed last, in seconds."""
    return max(map(modified, map(partial(Path, path), PARTS[:3])))


def signature(path: Path) -> tuple[Any, ...]:
    """What changes when anything that the page shows of a run changes."""
    files = [path / part for part in (*PARTS, CONTROL, QUEUE)]
    return (*map(modified, files), holder(path), last_holder(path))
