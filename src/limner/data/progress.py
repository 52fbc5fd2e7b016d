"""A progress bar on a terminal, for work that takes longer than a second."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from rich.console import Console
from rich.progress import Progress, TaskID

T = TypeVar("T")
DELAY = 1.0  # seconds before a bar appears

Listener = Callable[[str, int, int], None]  # gets what is done, how many steps of it, and of how many

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)
_silenced: ContextVar[bool] = ContextVar("silenced", default=False)


@contextmanager
def listen(listener: Listener) -> Iterator[None]:
    """Call `listener` at each step of the work inside the block; what it raises ends the work."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


@contextmanager
def silent(quiet: bool = True) -> Iterator[None]:
    """Show no bars inside the block if `quiet`; a block inside a silent block is silent too."""
    token = _silenced.set(quiet or _silenced.get())
    try:
        yield
    finally:
        _silenced.reset(token)


def say(text: str, everywhere: bool = False) -> None:
    """Print a line on stderr where that is a terminal, or everywhere; nothing inside a silent block."""
    if not _silenced.get() and (everywhere or sys.stderr.isatty()):
        print(text, file=sys.stderr, flush=True)


class Bar:
    """A rich bar on stderr that appears after `DELAY` seconds and disappears when it stops."""

    def __init__(self, description: str, total: int) -> None:
        self._description, self._total, self._completed = description, total, 0
        self._start = time.monotonic()
        self._progress: Progress | None = None
        self._task = TaskID(0)

    def advance(self, by: int) -> None:
        """Count `by` more steps, and draw the bar if it is time."""
        self._completed += by
        if (listener := _listener.get()) is not None:
            listener(self._description, self._completed, self._total)
        if self._progress is not None:
            self._progress.update(self._task, completed=self._completed)
        elif self._due():
            self._progress = Progress(console=Console(stderr=True), transient=True)
            self._task = self._progress.add_task(
                self._description, total=self._total, completed=self._completed
            )
            self._progress.start()

    def stop(self) -> None:
        """Remove the bar from the terminal."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def _due(self) -> bool:
        return not _silenced.get() and sys.stderr.isatty() and time.monotonic() - self._start > DELAY


def track(items: Iterable[T], total: int, description: str) -> Iterator[T]:
    """Yield the items one by one and show a bar with this description."""
    bar = Bar(description, total)
    try:
        for item in items:
            yield item
            bar.advance(1)
    finally:
        bar.stop()


class Download:
    """A bar with the interface that pooch expects: `total` bytes, update(n), reset(), close()."""

    def __init__(self, file: str) -> None:
        self._description = f"downloading {file}"
        self.total = 0
        self._bar: Bar | None = None

    def update(self, n: int) -> None:
        """Count n more bytes; the bar is created here because pooch sets `total` late."""
        if self._bar is None:
            self._bar = Bar(self._description, self.total)
        self._bar.advance(n)

    def reset(self) -> None:
        """Do nothing: pooch calls this once at the end, before it fills the bar."""

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.stop()
