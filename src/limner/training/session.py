"""A training session is an iterator of ticks; what happens at a tick is up to the caller."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from limner.models.base import Logs
from limner.training.trainer import Trainer


@dataclass(frozen=True)
class Tick:
    """The iterations since the last tick: images seen so far, seconds trained so far, means of the logs."""

    images: int
    seconds: float
    images_per_second: float
    means: dict[str, float]

    def line(self) -> dict[str, Any]:
        """The beginning of this tick's line in the log."""
        line: dict[str, Any] = {"images": self.images, "seconds": round(self.seconds, 3)}
        return line | {"images_per_second": round(self.images_per_second, 1)} | self.means


class Session:
    """Trains until `target` images have been seen, and yields a Tick every `every` images and at the end.

    `iterations` is the trainer, or an iterator around it that passes its iterations on; where it ends early,
    the session ends with the tick of what was done.  The time that a caller spends on a tick is not counted.
    """

    def __init__(
        self, trainer: Trainer, iterations: Iterator[Logs], target: int, every: int, seconds: float = 0.0
    ) -> None:
        self.trainer, self.iterations = trainer, iterations
        self.target, self.every = target, every
        self.seconds = seconds  # trained in earlier sessions of the run

    def __iter__(self) -> Iterator[Tick]:
        trainer = self.trainer
        since, began = trainer.images_seen, time.monotonic()
        next_tick = (since // self.every + 1) * self.every
        while trainer.images_seen < self.target and next(self.iterations, None) is not None:
            if trainer.images_seen < next_tick:
                continue
            yield self.tick(since, began)
            next_tick += self.every
            since, began = trainer.images_seen, time.monotonic()
        if trainer.images_seen > since:
            yield self.tick(since, began)

    def tick(self, since: int, began: float) -> Tick:
        """The tick of all iterations since then; waits for the device; raises NotFinite."""
        means = self.trainer.tick()
        passed = time.monotonic() - began
        self.seconds += passed
        images = self.trainer.images_seen
        return Tick(images, self.seconds, (images - since) / passed, means)
