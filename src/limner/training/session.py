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

    `iterations` is the trainer, or an iterator around it that passes its iterations on.  Where it ends early
    there is no tick: a session that is restored from `state` goes on to the same tick as if it had not ended.
    The time that a caller spends on a tick is not counted.
    """

    def __init__(self, trainer: Trainer, iterations: Iterator[Logs], target: int, every: int) -> None:
        self.trainer, self.iterations = trainer, iterations
        self.target, self.every = target, every
        self.since = trainer.images_seen  # images seen at the last tick
        self.seconds = 0.0  # trained until the last tick
        self.began: float | None = None  # when the iterations since the last tick began, less earlier ones
        self.elapsed = 0.0  # trained since the last tick, before this session

    def __iter__(self) -> Iterator[Tick]:
        trainer = self.trainer
        next_tick = (trainer.images_seen // self.every + 1) * self.every
        self.began = time.monotonic() - self.elapsed
        while trainer.images_seen < self.target:
            if next(self.iterations, None) is None:
                self.elapsed, self.began = time.monotonic() - self.began, None
                return
            if trainer.images_seen >= min(next_tick, self.target):
                yield self.tick(self.began)
                next_tick += self.every
                self.began = time.monotonic()

    def tick(self, began: float) -> Tick:
        """The tick of all iterations since the last; waits for the device; raises NotFinite."""
        means = self.trainer.tick()
        passed = time.monotonic() - began
        images, self.seconds, self.elapsed, self.began = (
            self.trainer.images_seen, self.seconds + passed, 0.0, None
        )  # fmt: skip
        speed = (images - self.since) / passed
        self.since = images
        return Tick(images, self.seconds, speed, means)

    def leave_out(self, seconds: float) -> None:
        """Do not count seconds that passed without training, as those of a pause."""
        if self.began is not None:
            self.began += seconds

    def state(self) -> dict[str, Any]:
        """What a session that goes on needs besides the trainer's state."""
        elapsed = self.elapsed if self.began is None else time.monotonic() - self.began
        return {"since": self.since, "seconds": self.seconds, "elapsed": elapsed}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self.since = int(state["since"])
        self.seconds, self.elapsed = float(state["seconds"]), float(state["elapsed"])
