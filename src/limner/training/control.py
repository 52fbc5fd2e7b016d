"""Requests to a training from outside: control.json in the run's folder, which training reads and obeys.

    {"process": 4711, "pause": true, "stop": false, "rate_factor": 0.5, "save": 2}

The studio writes the file whole; training only reads it, between two iterations.  A file that is damaged,
foreign or for another process is ignored, so it cannot hurt training.  Every new request that is obeyed is
followed by a checkpoint: weights newer than control.json say that it was.
"""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import Field

from limner.errors import LimnerError
from limner.files import write_json
from limner.models.base import Logs
from limner.settings import NonNegativeInt, Settings

NAME = "control.json"
LARGEST = 4096  # bytes of a file that is read
READ_SECONDS = 0.25  # between two looks at the file
SLEEP_SECONDS = 0.1  # between two looks at a signal while training pauses
LEAST_FACTOR = 1e-6
T = TypeVar("T", bound=Settings)


class Control(Settings):
    """What a training shall do; `process` is its process, which no other obeys."""

    process: int
    """the training's process"""
    pause: bool = False
    """wait until this is false again"""
    stop: bool = False
    """end the iteration, store everything, and leave"""
    rate_factor: Annotated[float, Field(ge=LEAST_FACTOR, le=1)] = 1.0
    """what all learning rates are multiplied by, from 0.000001 to 1"""
    save: NonNegativeInt = 0
    """a number; another number than before asks for a checkpoint"""


def read_control(folder: Path) -> Control | None:
    """The requests in a run's folder; None where there are none, or where the file cannot be used."""
    return read_settings(folder / NAME, Control)


def read_settings(path: Path, kind: type[T]) -> T | None:
    """The settings in a small JSON file; None where there is none, or where it cannot be used."""
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST:  # a pipe would block for ever
            return None
        content = json.loads(path.read_text(encoding="utf-8"))
        return kind.parse(content) if isinstance(content, dict) else None
    except (OSError, ValueError, RecursionError, LimnerError):
        return None


def write_control(folder: Path, control: Control) -> None:
    """Write the requests, atomically."""
    write_json(folder / NAME, control.json_values())


class ControlReader:
    """Reads the requests to this process between iterations, and obeys.

    `rate_factor` is called with a new factor, `save` after each request, `paused` with the seconds of a
    pause.  `interrupted` says whether a signal asks training to stop, which ends a pause too.
    """

    def __init__(
        self,
        folder: Path,
        rate_factor: float,
        *,
        set_rate: Callable[[float], None],
        save: Callable[[], None],
        paused: Callable[[float], None],
        interrupted: Callable[[], bool],
    ) -> None:
        self.folder, self.set_rate, self.save = folder, set_rate, save
        self.paused, self.interrupted = paused, interrupted
        self.last = Control(process=os.getpid(), rate_factor=rate_factor)
        self.signature: Any = None  # of the file that was read last
        self.next_look = 0.0
        self.stopped = False

    def follow(self, iterations: Iterator[Logs]) -> Iterator[Logs]:
        """The iterations, until a request stops them."""
        for logs in iterations:
            yield logs
            if time.monotonic() >= self.next_look:  # after the tick that this iteration may have completed
                self.look()
            if self.stopped:
                return

    def look(self) -> None:
        """Read the file where it has changed, and obey."""
        self.next_look = time.monotonic() + READ_SECONDS
        control = self.changes()
        if control is None:
            return
        before, self.last = self.last, control
        if control.rate_factor != before.rate_factor:
            self.set_rate(control.rate_factor)
        self.stopped = control.stop
        if control != before and not control.stop:  # a stop ends in a checkpoint anyway
            self.save()
        if control.pause and not control.stop:
            self.pause()

    def changes(self) -> Control | None:
        """The requests to this process, where the file is another than at the last look."""
        try:
            status = (self.folder / NAME).lstat()
        except OSError:
            return None
        signature = (status.st_mtime_ns, status.st_size, status.st_ino)
        if signature == self.signature:
            return None
        self.signature = signature
        control = read_control(self.folder)
        return control if control is not None and control.process == os.getpid() else None

    def pause(self) -> None:
        """Wait until the file no longer asks for a pause, or a signal arrives."""
        began = time.monotonic()
        while self.last.pause and not self.stopped and not self.interrupted():
            time.sleep(SLEEP_SECONDS)
            control = self.changes()
            if control is not None:
                before, self.last = self.last, control
                if control.rate_factor != before.rate_factor:
                    self.set_rate(control.rate_factor)
                self.stopped = control.stop
        self.paused(time.monotonic() - began)
