"""The check of data before a run: in a thread of its own, with its progress, until another is asked for."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch

from limner.data import Dataset, Domains, progress
from limner.data.contents import describe_contents
from limner.errors import LimnerError
from limner.explore import contact_sheet
from limner.models.base import Model
from limner.studio.answers import event
from limner.training.setup import complete_options, load_data

SHEET_SIDE = 560  # pixels of a contact sheet, about
MOST_SHEETS = 8  # that are kept
PAUSE = 0.1  # seconds between two reports of progress


class Cancelled(Exception):
    """Another check was asked for, or the page has left."""


class Checks:
    """Loads one data set after the other, and keeps the newest contact sheets."""

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(1, "data", torch.set_num_threads, (1,))
        self.newest = 0
        self.sheets: dict[str, bytes] = {}

    async def events(
        self, cls: type[Model], values: list[str], size: int | None, channels: int | None
    ) -> AsyncIterator[str]:
        """Progress, then what the data contain, or the mistake in them."""
        self.newest += 1
        number, loop = self.newest, asyncio.get_running_loop()
        reports: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        next_report = 0.0

        def report(text: str, done: int, total: int) -> None:
            nonlocal next_report
            if number != self.newest:
                raise Cancelled
            if time.monotonic() >= next_report:
                next_report = time.monotonic() + PAUSE
                loop.call_soon_threadsafe(reports.put_nowait, ("progress", [text, done, total]))

        def check() -> None:
            answer: tuple[str, Any] = ("problem", "the check failed: the studio's terminal says how")
            try:
                with progress.silent(), progress.listen(report):
                    answer = attempt(lambda: self.check(number, cls, values, size, channels))
            finally:
                loop.call_soon_threadsafe(reports.put_nowait, answer)

        loop.run_in_executor(self.pool, check)
        try:
            name = ""
            while name not in ("contents", "problem"):
                name, content = await reports.get()
                yield event(name, content)
        finally:
            if number == self.newest:  # the page has left, or has its answer
                self.newest += 1

    def check(
        self, number: int, cls: type[Model], values: list[str], size: int | None, channels: int | None
    ) -> list[dict[str, Any]]:
        """What one data set, or each of two domains, contains, with the address of its contact sheet."""
        if number != self.newest:
            raise Cancelled
        data = load_data(cls, values[0] if len(values) == 1 else (values[0], values[1]), size, channels)
        complete_options(cls, data, {})  # labels where the model requires them
        parts = [data.a, data.b] if isinstance(data, Domains) else [data]
        return [describe_contents(part) | self.draw(f"{number}-{i}", part) for i, part in enumerate(parts)]

    def draw(self, key: str, dataset: Dataset) -> dict[str, Any]:
        """Keep the contact sheet of a data set as PNG."""
        _, height, width = dataset.shape
        picture = contact_sheet(dataset, max(8, min(96, 48 * 64**2 // (height * width))))
        file = io.BytesIO()
        picture.image.save(file, "PNG")
        self.sheets[key] = file.getvalue()
        while len(self.sheets) > MOST_SHEETS:
            self.sheets.pop(next(iter(self.sheets)))
        return {"sheet": key, "sheet_notes": picture.notes}


def attempt(check: Callable[[], list[dict[str, Any]]]) -> tuple[str, Any]:
    """The event with what a check finds."""
    try:
        return "contents", check()
    except Cancelled:
        return "problem", "another check was asked for"
    except (LimnerError, OSError, MemoryError) as error:
        return "problem", " ".join(str(error).split())
