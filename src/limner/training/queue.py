"""The queue of a folder of runs: a run waits until no other in the folder is in training.

A run that waits says so in its own folder, in queue.json:

    {"process": 4711, "number": 3, "behind": "vae-digits-0001"}

Its turn comes when every other run there waits too, with a higher number, or is over.  A run whose lock is
held and that does not wait counts as in training, however it was started.  A lock ends with its process, so
one that is killed frees the queue.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from limner.files import write_json
from limner.settings import NonNegativeInt, Settings
from limner.training.control import read_control, read_settings
from limner.training.lock import NAME as LOCK
from limner.training.lock import is_held, last_holder

NAME = "queue.json"
LOOK_SECONDS = 0.5  # between two looks at the other runs


class Place(Settings):
    """The place of a run in the queue."""

    process: int
    """the process that waits"""
    number: NonNegativeInt
    """runs with a lower number come first; of equal ones the first by name"""
    behind: str = ""
    """the run that it waits for now"""


def read_place(folder: Path) -> Place | None:
    """The place of a run in the queue; None for one that does not wait."""
    place = read_settings(folder / NAME, Place)
    return place if place is not None and place.process == last_holder(folder) else None


def wait_for_turn(folder: Path, is_stopped: Callable[[], bool], say: Callable[[str], object]) -> bool:
    """Wait until no other run in the folder of runs is in training; False where `is_stopped` says so first.

    The caller holds the lock on `folder`, and `say` gets a line whenever it waits for another run.
    """
    folder = folder.resolve()
    numbers = [place.number for _, place in others(folder) if place is not None]
    place = Place(process=os.getpid(), number=max(numbers, default=0) + 1)
    try:
        while not is_stopped():
            if (
                read_place(folder) != place
            ):  # the first look, another run to wait for, or the file was removed
                write_json(folder / NAME, place.json_values())
            behind = next_before(folder, place)
            if behind is None:
                return True
            if behind != place.behind:
                place = place.model_copy(update={"behind": behind})
                say(f"{folder.name} waits for {behind}")
                continue
            time.sleep(LOOK_SECONDS)
        return False
    finally:
        (folder / NAME).unlink(missing_ok=True)


def next_before(folder: Path, place: Place) -> str | None:
    """The run that comes before this one: one in training, or the last that waits before it."""
    waiting = []
    for name, other in others(folder):
        if other is None:
            return name
        if (other.number, name) < (place.number, folder.name):
            waiting.append((other.number, name))
    return max(waiting)[1] if waiting else None


def others(folder: Path) -> Iterator[tuple[str, Place | None]]:
    """The runs beside this one in training or waiting: their names, and the places of those that wait."""
    for lock in sorted(folder.parent.glob(f"*/{LOCK}")):
        if lock.parent != folder and is_held(lock.parent):
            yield lock.parent.name, read_place(lock.parent)


def asks_to_stop(folder: Path) -> bool:
    """Whether control.json asks this process to stop."""
    control = read_control(folder)
    return control is not None and control.process == os.getpid() and control.stop
