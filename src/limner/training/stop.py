"""Stop training at a safe point: Ctrl-C, SIGTERM and a closed terminal end the iteration, not the process."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from limner.models.base import Logs


class StopSignal:
    """Whether a signal asked to stop; `until(iterations)` ends an iterator where one did."""

    def __init__(self) -> None:
        self.number: int | None = None

    def receive(self, number: int, frame: FrameType | None) -> None:
        """The handler: the second Ctrl-C stops at once."""
        if self.number is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.number = number

    def until(self, iterations: Iterator[Logs]) -> Iterator[Logs]:
        """The iterations until a signal arrives."""
        for logs in iterations:
            yield logs
            if self.number is not None:
                return

    def leave(self) -> None:
        """After the last checkpoint, end the process as the signal would have; nothing where none arrived."""
        if self.number == signal.SIGINT:
            raise KeyboardInterrupt("what was trained is saved")
        if self.number is not None:
            raise SystemExit(128 + self.number)


@contextmanager
def stop_signals() -> Iterator[StopSignal]:
    """Collect SIGINT, SIGTERM and SIGHUP while training; outside the main thread no signal is caught."""
    stop = StopSignal()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    numbers = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup ignores it
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, stop.receive) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
