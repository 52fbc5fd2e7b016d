"""Progress on the screen while a model trains: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from limner.models.base import Logs
from limner.training.trainer import Trainer

PLAIN_SECONDS = 15.0  # between two lines where the output is not a terminal
BAR_SECONDS = 0.2


class Display:
    """Shows images seen, images/s, time left and the latest measurements; shows nothing when `quiet`."""

    def __init__(self, title: str, start: int, total: int, quiet: bool = False) -> None:
        self.title, self.start, self.total, self.quiet = title, start, total, quiet
        self.console = Console(stderr=True, highlight=False)
        self.began = self.last_shown = time.monotonic()
        self.bar: Progress | None = None
        self.measured = ""

    def __enter__(self) -> Display:
        if not self.quiet and self.console.is_terminal:
            columns = TextColumn("{task.description}"), BarColumn(24), TextColumn("{task.percentage:>3.0f}%")
            rest = TextColumn("{task.fields[text]}"), TimeRemainingColumn(compact=True), TextColumn("left")
            self.bar = Progress(*columns, *rest, console=self.console, transient=True)
            self.bar.start()
            self.task = self.bar.add_task(self.title, total=self.total, completed=self.start, text="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bar is not None:
            with self.quiet_if_closed():
                self.bar.stop()

    @contextmanager
    def quiet_if_closed(self) -> Iterator[None]:
        """Show nothing more where the terminal has gone: training goes on, or saves what it has."""
        try:
            yield
        except OSError:
            self.quiet = True

    def follow(self, trainer: Trainer) -> Iterator[Logs]:
        """The trainer's iterations, with the progress shown after each."""
        for logs in trainer:
            self.show(trainer.images_seen)
            yield logs

    def measure(self, line: dict[str, Any]) -> None:
        """Take the numbers of the newest line of the log."""
        hidden = ("seconds", "images_per_second")
        numbers = {
            name: value
            for name, value in line.items()
            if isinstance(value, float) and name not in hidden and not name.startswith("doctor/")
        }
        held_out = {
            name.replace("held_out/", "held-out "): value
            for name, value in numbers.items()
            if name.startswith("held_out/")
        }
        losses = {name.replace("loss/", "loss "): value for name, value in numbers.items()}
        parts = [f"{name} {value:.4g}" for name, value in list((held_out or losses).items())[:4]]
        if "troubles" in line:
            parts.append(describe_health(line))
        self.measured = "  ".join(parts)

    def show(self, images: int, last: bool = False) -> None:
        """Show the images seen, if enough time has passed since the last time."""
        now = time.monotonic()
        pause = BAR_SECONDS if self.bar else PLAIN_SECONDS
        if self.quiet or (now - self.last_shown < pause and not last):
            return
        self.last_shown = now
        rate = (images - self.start) / max(now - self.began, 1e-9)
        if self.bar is not None:
            text = f"{images:,} images  {rate:,.0f}/s  {self.measured}"
            with self.quiet_if_closed():
                self.bar.update(self.task, completed=images, text=text)
            return
        left = max(self.total - images, 0) / rate if rate else 0
        done = f"{images:,} of {self.total:,} images"
        text = f"{self.title}: {done}, {rate:,.0f}/s, {clock(left)} left  {self.measured}"
        with self.quiet_if_closed():
            print(text.rstrip(), file=sys.stderr, flush=True)

    def say(self, text: str) -> None:
        """Print a line that stays on the screen."""
        if not self.quiet:
            with self.quiet_if_closed():
                self.console.print(text, markup=False, soft_wrap=True)


def describe_health(line: dict[str, Any]) -> str:
    """What the doctor says in a line of the log: the troubles, or the state, and why it is too early."""
    if line["troubles"]:
        return ", ".join(line["troubles"])
    return f"{line['state']}: {line['reason']}" if line["reason"] else line["state"]


def clock(seconds: float) -> str:
    """Seconds as 1:02 or 1:02:03."""
    minutes, s = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{s:02d}" if hours else f"{minutes}:{s:02d}"
