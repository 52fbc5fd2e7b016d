"""Work that takes longer than an answer: in steps of the worker, or in a process of its own."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

import numpy as np

from limner.explore.point_maps import Steps
from limner.studio.worker import Opened, Worker
from limner.tsne import MARK

T = TypeVar("T")
ITERATIONS = 1000  # of t-SNE


class Task(Generic[T]):
    """Steps on a run that the worker takes one by one, so that a pointer's requests come between."""

    def __init__(self, worker: Worker, run: str, begin: Callable[[Opened], Steps[T]]) -> None:
        self.worker, self.run, self.begin = worker, run, begin
        self.progress = 0.0
        self.result: T | None = None
        self.work = asyncio.create_task(self.take_steps())

    async def take_steps(self) -> None:
        """Take all steps."""
        steps = await self.worker.call(self.run, self.begin)

        def step(_: Opened) -> float | None:
            try:
                return next(steps)
            except StopIteration as stop:
                self.result = stop.value
                return None

        while (share := await self.worker.call(self.run, step)) is not None:
            self.progress = min(share, 1.0)

    async def wait(self, seconds: float) -> None:
        """Until the work is done, or so many seconds; raises what the work raises."""
        done, _ = await asyncio.wait({self.work}, timeout=seconds)
        if done:
            await self.work

    @property
    def failed(self) -> bool:
        """Whether the work ended without a result."""
        return self.work.done() and self.result is None

    def cancel(self) -> None:
        """Take no more steps."""
        self.work.cancel()


class Projection:
    """t-SNE of codes in a process of its own, with one thread: in the end `points` (N, 2), or a `problem`.

    Those that share a lock are computed one after the other.
    """

    def __init__(self, codes: np.ndarray, lock: threading.Lock) -> None:
        self.progress, self.problem = 0.0, ""
        self.points: np.ndarray | None = None
        self.thread = threading.Thread(target=self.compute, args=(codes, lock), daemon=True)
        self.thread.start()

    def compute(self, codes: np.ndarray, lock: threading.Lock) -> None:
        """Start the process, and read what it prints.  It ends where nobody reads any more."""
        words = [sys.executable, "-u", "-m", "limner.tsne"]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        pipe = subprocess.PIPE
        last = ""
        with (
            lock,
            subprocess.Popen(
                words, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, env=environment
            ) as process,
        ):
            assert process.stdin is not None
            assert process.stdout is not None
            file = io.BytesIO()
            np.save(file, codes)
            with contextlib.suppress(OSError):  # it ended already; its last line says why
                process.stdin.write(file.getvalue())
                process.stdin.close()
            for line in process.stdout:
                text = line.decode("utf-8", "replace").strip()
                last = text or last
                self.read(text)
        if self.points is None:
            self.problem = f"no t-SNE: {last[-200:].removeprefix('limner: ')}"

    def read(self, line: str) -> None:
        """A line of the process: its progress, or the points."""
        if line.startswith(MARK):
            flat = np.frombuffer(base64.b64decode(line.removeprefix(MARK)), "<f4")
            self.points = flat.reshape(-1, 2)
        elif iteration := re.search(r"Iteration (\d+)", line):
            self.progress = min(1.0, int(iteration[1]) / ITERATIONS)
