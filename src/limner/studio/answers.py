"""The answers that the page reads: runs, logs, verdicts, and events while files change."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from limner.doctor import verdicts
from limner.errors import LimnerError
from limner.models.base import Model
from limner.studio.curves import panels
from limner.studio.folder import LIGHTS, Folder, signature
from limner.studio.trainings import Trainings
from limner.training import Run
from limner.training.config import RunConfig

LOOK_SECONDS = 0.5  # between two looks at the files
LINES = 20_000  # of a log that are sent at a time


def run_details(folder: Folder, trainings: Trainings, name: str) -> dict[str, Any]:
    """A card, the settings, the log's panels and the pictures of a run."""
    path = folder.find(name)
    details = folder.card(path)
    if details["status"] in ("killed", "stopped") and trainings.is_starting(path):
        details["status"] = "starting"
    lines = read_lines(folder, details, path)
    details |= {"panels": panels(lines), "pictures": list(folder.pictures(path))}
    details |= {"line": describe_status(details), "ended": describe_end(details)}
    return details | {"failure": trainings.failure(path), "settings": settings(path)}


def describe_status(details: dict[str, Any]) -> str:
    """What a run does now, in a line."""
    status, problem = details["status"], details["problem"]
    if status == "unreadable":
        return f"This run cannot be read: {problem}"
    behind = f" for {details['behind']}" if status == "waiting" else ""
    parts = [f"{status}{behind}: {details['images']:,} of {details['target']:,} images"]
    if status == "training" and details["speed"]:
        parts.append(f"{details['speed']:,.0f} images/s")
    if details["process"] is not None and details["rate_factor"] != 1:
        parts.append(f"learning rates × {details['rate_factor']:.3g}")
    if status == "training" and details["waiting"]:
        parts.append("a request waits")
    return ", ".join(parts) + (f". {problem}" if problem else "")


def describe_end(details: dict[str, Any]) -> str:
    """How the training of a run was cut short; '' where it was not."""
    images = f"{details['images']:,} images"
    if details["status"] == "killed" and not details["resume"]:
        return "Training was killed before its first checkpoint."
    if details["status"] == "killed":
        return f"Training was killed. What it had stored at its last checkpoint, {images}, is safe."
    is_stopped = details["status"] == "stopped"
    return f"Training was stopped at {images}, and everything is stored." if is_stopped else ""


def read_lines(folder: Folder, card: dict[str, Any], path: Path) -> list[dict[str, Any]]:
    """The log of a run whose card is known; none of a run that cannot be read."""
    return [] if card["status"] == "unreadable" else list(folder.log(path).lines)


def settings(path: Path) -> dict[str, Any]:
    """The settings of a run, as run.json has them; {} where it cannot be read."""
    try:
        config = RunConfig.read(path / "run.json")
    except (LimnerError, OSError):
        return {}
    training = {name: value for name, value in config.training.json_values().items() if value is not None}
    return {"options": config.options, "training": training, "device": config.device}


def run_verdicts(folder: Folder, name: str, images: int) -> dict[str, Any]:
    """What the doctor says at the last tick that had seen at most so many images."""
    path = folder.find(name)
    lines = [line for line in folder.log(path).lines if line["images"] <= images]
    if not lines:
        state, reason = "too early to tell", "no tick yet"
        return {"images": None, "state": state, "light": LIGHTS[state], "reason": reason, "verdicts": []}
    last = lines[-1]
    holding = [verdict.json() for verdict in verdicts(lines, run_class(path))]
    state = last.get("state", "the doctor did not watch this run")
    reason = last.get("reason", "")
    light = LIGHTS.get(state, "unknown")
    return {"images": last["images"], "state": state, "light": light, "reason": reason, "verdicts": holding}


def run_class(path: Path) -> type[Model] | None:
    """The class of a run's model; None where it is code that the user did not ask for."""
    try:
        return Run(path).model_class
    except (LimnerError, OSError):
        return None


async def folder_events(folder: Folder) -> AsyncIterator[str]:
    """The cards of all runs, now and whenever one changes."""

    def look() -> Any:
        return {name: signature(path) for name, path in folder.scan().items()}

    async for _ in changes(look):
        yield event("runs", await asyncio.to_thread(folder.cards))


async def run_events(folder: Folder, trainings: Trainings, name: str) -> AsyncIterator[str]:
    """A run's details and the new lines of its log, now and whenever its files change."""
    sent = 0

    def look() -> Any:
        path = folder.scan().get(name)
        return (
            None if path is None else (signature(path), trainings.failure(path), trainings.is_starting(path))
        )

    def read() -> tuple[dict[str, Any], list[dict[str, Any]]]:
        details = run_details(folder, trainings, name)
        return details, read_lines(folder, details, folder.find(name))

    async for present in changes(look):
        if present is None:
            yield event("gone", {})
            continue
        try:
            details, lines = await asyncio.to_thread(read)
        except LimnerError:  # removed since the look
            yield event("gone", {})
            continue
        if len(lines) < sent:  # resuming drops what came after the checkpoint
            sent = 0
        for start in range(sent, max(len(lines), sent + 1), LINES):
            part = lines[start : start + LINES]
            yield event("run", details | {"first": start, "new": part})
        sent = len(lines)


async def changes(look: Callable[[], Any]) -> AsyncIterator[Any]:
    """What `look` sees, now and whenever it is another; '' is never one."""
    before: Any = ""
    while True:
        current = await asyncio.to_thread(look)
        if current != before:
            before = current
            yield current
        await asyncio.sleep(LOOK_SECONDS)


def event(name: str, content: Any) -> str:
    """One server-sent event."""
    return f"event: {name}\ndata: {json.dumps(content)}\n\n"
