"""One thread that holds the models of a few runs: all that torch computes for the page happens there."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import torch

from limner.data import progress
from limner.explore import Plane, anomalies
from limner.studio.folder import Folder, check_links, modified
from limner.training import Run

T = TypeVar("T")
MOST = 6  # runs whose model is kept: as many as are compared


class Opened:
    """A run with its model, as it was stored when it was opened."""

    def __init__(self, path: Path) -> None:
        check_links(path)
        self.stored = modified(path / "weights.safetensors")
        self.run = Run(path)
        self.images = self.run.images_seen

    @cached_property
    def plane(self) -> Plane:
        """Its places in the space of codes."""
        return Plane(self.run)

    @cached_property
    def test_scores(self) -> list[float]:
        """The anomaly scores of the test images."""
        return [entry["score"] for entry in anomalies(self.run, n=1).data["ranking"]]


class Worker:
    """Computes one thing at a time, in a thread of its own, with one thread of torch."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.pool = ThreadPoolExecutor(1, "models", torch.set_num_threads, (1,))
        self.opened: OrderedDict[Path, Opened] = OrderedDict()

    async def call(self, name: str, function: Callable[[Opened], T], newest: bool = False) -> T:
        """The result of a function of a run; `newest` opens the run again where its weights are newer."""
        return await asyncio.get_running_loop().run_in_executor(
            self.pool, self.compute, name, function, newest
        )

    def compute(self, name: str, function: Callable[[Opened], T], newest: bool) -> T:
        """In the worker's thread: open the run unless it is, and call the function."""
        path = self.folder.find(name)
        opened = self.opened.get(path)
        if opened is None or (newest and opened.stored != modified(path / "weights.safetensors")):
            opened = self.opened[path] = Opened(path)
        self.opened.move_to_end(path)
        while len(self.opened) > MOST:
            self.opened.popitem(last=False)
        with progress.silent(True):
            return function(opened)

    def close(self) -> None:
        """Wait for nothing more."""
        self.pool.shutdown(wait=False, cancel_futures=True)
