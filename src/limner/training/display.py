"""Progress on the screen while a model trains: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Column

from limner.models.base import Logs
from limner.training.pace import Pace, clock
from limner.training.trainer import Trainer

PLAIN_SECONDS = 15.0  # between two lines where the output is not a terminal
BAR_SECONDS = 0.2
LONGEST_TITLE = 24  # characters of a run's name that a narrow terminal keeps


class Display:
    """Shows images seen, images/s, time left and the latest measurements; shows nothing when `quiet`."""

    def __init__(self, title: str, start: int, total: int, quiet: bool = False) -> None:
        self.title, self.start, self.total, self.quiet = title, start, total, quiet
        self.console = Console(stderr=True, highlight=False)
        self.pace = Pace(start)
        self.last_shown = time.monotonic()
        self.bar: Progress | None = None
        self.measured = self.state = ""  # of the newest line of the log
        self.loss = ""  # the leading one, on a bar
        self.is_slowed = False  # by other processes, which is said once

    def __enter__(self) -> Display:
        if not self.quiet and self.console.is_terminal:
            whole = Column(min_width=min(len(self.title), LONGEST_TITLE), no_wrap=True)
            title = TextColumn("{task.description}", table_column=whole)
            text = TextColumn("{task.fields[text]}", markup=False)
            percentage = TextColumn("[progress.percentage]{task.percentage:>3.0f}%")
            self.bar = Progress(title, BarColumn(12), percentage, text, console=self.console, transient=True)
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
            if self.is_due():
                if self.bar is not None and (loss := trainer.leading_loss()) is not None:
                    self.loss = f"{loss[0].replace('/', ' ').removesuffix(' main')} {loss[1]:.4g}"
                self.show(trainer.images_seen)
                if trainer.model.device.type == "cpu":
                    self.say_what_slows()
            yield logs

    def measure(self, line: dict[str, Any]) -> None:
        """Take the numbers of the newest line of the log."""
        parts = [f"{name} {value:.4g}" for name, value in list(leading_measures(line).items())[:4]]
        if "troubles" in line:
            self.state = ", ".join(line["troubles"]) or line["state"]
            parts.append(describe_health(line))
        self.measured = "  ".join(parts)

    def restart(self, images: int) -> None:
        """Measure the speed anew, after a pause."""
        self.pace = Pace(images)

    def is_due(self) -> bool:
        """Whether enough time has passed since something was shown."""
        pause = BAR_SECONDS if self.bar else PLAIN_SECONDS
        return not self.quiet and time.monotonic() - self.last_shown >= pause

    def show(self, images: int, last: bool = False) -> None:
        """Show the images seen, if enough time has passed since the last time."""
        if self.quiet or not (last or self.is_due()):
            return
        self.last_shown = time.monotonic()
        self.pace.note(images)
        rate, left = f"{self.pace.rate:,.0f}/s", self.pace.left(self.total)
        rest = f"{clock(left)} left" if left is not None else ""
        if self.bar is not None:
            text = "  ".join(part for part in (rest, self.loss, rate, self.state) if part)
            with self.quiet_if_closed():
                self.bar.update(self.task, completed=images, text=text)
            return
        done = f"{images:,} of {self.total:,} images"
        text = f"{self.title}: {', '.join(filter(None, (done, rate, rest)))}  {self.measured}"
        with self.quiet_if_closed():
            print(text.rstrip(), file=sys.stderr, flush=True)

    def say_what_slows(self) -> None:
        """Say once that other processes slow training down, and by how much."""
        if not self.is_slowed and (lost := self.pace.lost_share()) is not None:
            self.is_slowed = True
            text = f"note: other processes slow training down: they take {lost:.0%} of its core's time"
            if torch.get_num_threads() > 1:  # each waits for the one that has no core
                text += "; OMP_NUM_THREADS=1 limner train ... --resume may be quicker beside them"
            self.say(text)

    def say(self, text: str) -> None:
        """Print a line that stays on the screen."""
        if not self.quiet:
            with self.quiet_if_closed():
                self.console.print(text, markup=False, soft_wrap=True)

    def summarise(self, lines: Sequence[str]) -> None:
        """Print the lines that end a run, on a terminal only."""
        if self.bar is not None:
            for line in lines:
                self.say(line)


def leading_measures(line: dict[str, Any]) -> dict[str, float]:
    """The held-out measures of a line of the log by readable names; where there are none, its losses."""
    hidden = ("seconds", "images_per_second", "rate_factor")
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
    return held_out or {name.replace("loss/", "loss "): value for name, value in numbers.items()}


def describe_health(line: dict[str, Any]) -> str:
    """What the doctor says in a line of the log: the troubles, or the state, and why it is too early."""
    if line["troubles"]:
        return ", ".join(line["troubles"])
    return f"{line['state']}: {line['reason']}" if line["reason"] else line["state"]
