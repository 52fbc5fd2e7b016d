"""How fast a run trains now, how long the rest takes, and whether other processes slow it down."""

from __future__ import annotations

import os
import time
from collections import deque
from typing import NamedTuple

WINDOW = 60.0  # seconds that the speed is taken over
SHORTEST = 10.0  # seconds before the share of a core's time is judged
BUSY_SHARE = 0.75  # of a core's time; training that gets less waits for other processes


class Moment(NamedTuple):
    """A moment of training: the clock, the processor time of its thread, in seconds, and images seen."""

    seconds: float
    processor: float
    images: int


class Pace:
    """The speed of the last WINDOW seconds; call `note` often, in the thread that trains."""

    def __init__(self, images: int) -> None:
        self.moments: deque[Moment] = deque()
        self.note(images)

    def note(self, images: int) -> None:
        """Note how many images training has seen by now."""
        self.moments.append(Moment(time.monotonic(), time.thread_time(), images))
        start = self.moments[-1].seconds - WINDOW
        while len(self.moments) > 2 and self.moments[1].seconds <= start:
            self.moments.popleft()

    @property
    def rate(self) -> float:
        """Images per second, the time of measurements and checkpoints included."""
        first, last = self.moments[0], self.moments[-1]
        return (last.images - first.images) / max(last.seconds - first.seconds, 1e-9)

    def left(self, total: int) -> float | None:
        """Seconds until `total` images have been seen, at this speed; None before the speed is known."""
        rest = max(total - self.moments[-1].images, 0)
        return rest / self.rate if self.rate else None

    def lost_share(self) -> float | None:
        """The share of a core's time that other processes take from training; None where they take little.

        Only where more processes are ready to run than there are cores: a wait for a disk is none.
        """
        first, last = self.moments[0], self.moments[-1]
        passed = last.seconds - first.seconds
        if passed < SHORTEST or not hasattr(os, "getloadavg"):
            return None
        share = (last.processor - first.processor) / passed
        is_busy = os.getloadavg()[0] > (os.cpu_count() or 1)
        return 1 - share if is_busy and share < BUSY_SHARE else None


def clock(seconds: float) -> str:
    """Seconds as 1:02 or 1:02:03."""
    minutes, s = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{s:02d}" if hours else f"{minutes}:{s:02d}"
