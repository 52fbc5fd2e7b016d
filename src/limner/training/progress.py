"""What a person sees while a model trains: a moving bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

PLAIN_SECONDS = 15.0  # between lines where the output is no terminal
BAR_SECONDS = 0.2


class Display:
    """Shows images seen, images/s, time left and the latest measurements; shows nothing when `quiet`."""

    def __init__(self, title: str, start: int, total: int, quiet: bool = False) -> None:
        self.title, self.start, self.total, self.quiet = title, start, total, quiet
        self.console = Console(stderr=True, highlight=False)
        self.began = self.shown = time.monotonic()
        self.bar: Progress | None = None
        self.measured = ""

    def __enter__(self) -> Display:
        if not self.quiet and self.console.is_terminal:
            columns = TextColumn("{task.description}"), BarColumn(24), TextColumn("{task.percentage:>3.0f}%")
            words = TextColumn("{task.fields[words]}"), TimeRemainingColumn(compact=True), TextColumn("left")
            self.bar = Progress(*columns, *words, console=self.console, transient=True)
            self.bar.start()
            self.task = self.bar.add_task(self.title, total=self.total, completed=self.start, words="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bar is not None:
            self.bar.stop()

    def measure(self, line: dict[str, Any]) -> None:
        """Take the newest log line's numbers."""
        scalars = {
            k: v
            for k, v in line.items()
            if isinstance(v, float)
            and k not in ("seconds", "images_per_second")
            and not k.startswith("doctor/")
        }
        held_out = {k.removeprefix("held_out/"): v for k, v in scalars.items() if k.startswith("held_out/")}
        shown = {f"held-out {k}": v for k, v in held_out.items()} or {
            k.replace("loss/", "loss "): v for k, v in scalars.items()
        }
        health = "healthy" if not line.get("troubles") else ", ".join(line["troubles"])
        parts = [f"{k} {v:.4g}" for k, v in list(shown.items())[:4]]
        self.measured = "  ".join(parts + [health] * ("troubles" in line))

    def at(self, images: int, last: bool = False) -> None:
        """Show where training is, if it is time to."""
        now = time.monotonic()
        if self.quiet or (now - self.shown < (BAR_SECONDS if self.bar else PLAIN_SECONDS) and not last):
            return
        self.shown = now
        rate = (images - self.start) / max(now - self.began, 1e-9)
        if self.bar is not None:
            words = f"{images:,} images  {rate:,.0f}/s  {self.measured}"
            self.bar.update(self.task, completed=images, words=words)
            return
        left = max(self.total - images, 0) / rate if rate else 0
        seen = f"{images:,} of {self.total:,} images"
        text = f"{self.title}: {seen}, {rate:,.0f}/s, {clock(left)} left  {self.measured}"
        print(text.rstrip(), file=sys.stderr, flush=True)

    def say(self, text: str) -> None:
        """A line that stays."""
        if not self.quiet:
            self.console.print(text, markup=False, soft_wrap=True)


def clock(seconds: float) -> str:
    """Seconds as 1:02 or 1:02:03."""
    minutes, s = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{s:02d}" if hours else f"{minutes}:{s:02d}"
