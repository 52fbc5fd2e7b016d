"""The speed of a run: recent, not of the whole session; and what other processes take."""

from __future__ import annotations

import os
import time

import pytest
import torch

from limner.training.display import Display
from limner.training.pace import BUSY_SHARE, WINDOW, Pace


class Clock:
    """A clock that a test moves, with the processor time that training got."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds = self.processor = 0.0
        monkeypatch.setattr(time, "monotonic", lambda: self.seconds)
        monkeypatch.setattr(time, "thread_time", lambda: self.processor)

    def pass_by(self, seconds: float, share: float = 1.0) -> None:
        self.seconds += seconds
        self.processor += share * seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def train(pace: Pace, clock: Clock, seconds: int, rate: int, share: float = 1.0) -> None:
    """Train for so long at so many images per second."""
    for _ in range(seconds):
        clock.pass_by(1, share)
        pace.note(pace.moments[-1].images + rate)


def test_the_time_left_is_by_the_speed_of_the_last_minute(clock: Clock) -> None:
    pace = Pace(0)
    assert pace.left(100) is None, "nothing is known before the first images"
    train(pace, clock, 600, 100)
    assert pace.left(70_000) == pytest.approx(100)
    train(pace, clock, int(WINDOW), 50)  # since a minute at half the speed
    assert pace.rate == pytest.approx(50)
    assert pace.left(73_000) == pytest.approx(200)
    assert pace.left(10) == 0


def test_what_other_processes_take_is_known_where_there_are_any(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    cores = os.cpu_count() or 1
    monkeypatch.setattr(os, "getloadavg", lambda: (cores + 1.0, 0.0, 0.0))
    pace = Pace(0)
    train(pace, clock, 5, 10, share=0.25)
    assert pace.lost_share() is None, "too short to tell"
    train(pace, clock, 10, 10, share=0.25)
    assert pace.lost_share() == pytest.approx(0.75)
    monkeypatch.setattr(os, "getloadavg", lambda: (0.3, 0.0, 0.0))
    assert pace.lost_share() is None, "it waits, but not for other processes"
    monkeypatch.setattr(os, "getloadavg", lambda: (cores + 1.0, 0.0, 0.0))
    train(pace, clock, int(WINDOW), 10, share=BUSY_SHARE + 0.1)
    assert pace.lost_share() is None


@pytest.mark.parametrize("threads", [1, 2])
def test_a_slow_machine_is_named_once(
    threads: int, clock: Clock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (1e3, 0.0, 0.0))
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    display = Display("run", 0, 1000)
    train(display.pace, clock, 20, 10, share=0.4)
    display.say_what_slows()
    display.say_what_slows()
    lines = capsys.readouterr().err.splitlines()
    text = "note: other processes slow training down: they take 60% of its core's time"
    hint = "; OMP_NUM_THREADS=1 limner train ... --resume may be quicker beside them"
    assert lines == [text + hint * (threads > 1)]
