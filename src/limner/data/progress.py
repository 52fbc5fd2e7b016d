"""A progress bar on a terminal, for what takes longer than a second."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import Progress, TaskID

T = TypeVar("T")
quiet = False  # set True to show none
PATIENCE = 1.0  # seconds


class Bar:
    """A rich bar on stderr that appears once it has been waited for, and leaves nothing behind."""

    def __init__(self, what: str, total: int) -> None:
        self._what, self._total, self._done = what, total, 0
        self._start = time.monotonic()
        self._progress: Progress | None = None
        self._task = TaskID(0)

    def advance(self, by: int) -> None:
        self._done += by
        if self._progress is not None:
            self._progress.update(self._task, completed=self._done)
        elif not quiet and sys.stderr.isatty() and time.monotonic() - self._start > PATIENCE:
            self._progress = Progress(console=Console(stderr=True), transient=True)
            self._task = self._progress.add_task(self._what, total=self._total, completed=self._done)
            self._progress.start()

    def stop(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


def track(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    """The items, one by one, with a bar that says `what` is being done."""
    bar = Bar(what, total)
    try:
        for item in items:
            yield item
            bar.advance(1)
    finally:
        bar.stop()


class Download:
    """A bar of the kind pooch asks for: `total` bytes, update(n), reset(), close()."""

    def __init__(self, file: str) -> None:
        self._what = f"downloading {file}"
        self.total = 0
        self._bar: Bar | None = None

    def update(self, n: int) -> None:
        self._bar = self._bar or Bar(self._what, self.total)
        self._bar.advance(n)

    def reset(self) -> None:
        """Called at the end, before the last update fills the bar."""

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
