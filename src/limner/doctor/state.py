"""The state of a run at its last tick: too early to tell, healthy, or in trouble."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from limner.doctor.rules import (
    FAR,
    MEASURED_ONCE,
    MIN_IMAGES_RANGE,
    MIN_IMAGES_VARIETY,
    History,
    Line,
    few_kinds,
)
from limner.doctor.translation_rules import MIN_PAIRS
from limner.doctor.verdicts import Verdict

StateName = Literal["too early to tell", "healthy", "trouble"]


class State(NamedTuple):
    """One of three states, and why; a healthy run needs no reason."""

    name: StateName
    reason: str = ""

    def __str__(self) -> str:
        if self.name == "trouble":
            return self.reason
        return f"{self.name}: {self.reason}" if self.reason else self.name


def run_state(lines: Sequence[Line], holding: Sequence[Verdict]) -> State:
    """The state at the end of a log, in which these troubles hold."""
    if holding:
        return State("trouble", ", ".join(verdict.name for verdict in holding))
    reason = why_too_early(lines)
    return State("too early to tell", reason) if reason else State("healthy")


def why_too_early(lines: Sequence[Line]) -> str | None:
    """Why a log without a trouble does not show that a run is healthy; None where it does."""
    if not any(name.startswith("doctor/") for line in lines for name in line):
        return "the doctor has measured nothing"
    h = History(lines)
    images, fewest = lines[-1]["images"], fewest_images(h)
    if images < fewest:
        return f"train until {fewest:,} images at least"
    ratio = h.now("distance_ratio")
    if not ratio > FAR:  # nan where samples are not judged
        return None
    far = f"samples are {ratio:.0f} times as far from the data as real images are"
    if lines[-1].get(MEASURED_ONCE):
        return f"{far}, and one measurement does not show whether they come closer"
    return None if h.stalls() else f"{far}, and still come closer"


def fewest_images(h: History) -> int:
    """The images after which the rules can name what the signals at the last tick may come from."""
    if h.signals("change/"):  # a model that translates
        return MIN_PAIRS
    encodes = bool(h.last("sensitivity", 1))  # alike samples of such a model have no rule of their own
    alike = not encodes and few_kinds(h, 1)
    ignores_labels = h.now("agreement") <= 0.5
    return MIN_IMAGES_VARIETY if alike or ignores_labels else MIN_IMAGES_RANGE
