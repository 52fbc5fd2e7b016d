"""The three states of a run: too early to tell, healthy, trouble."""

from __future__ import annotations

from typing import Any

import pytest

from limner.doctor import verdicts
from limner.doctor.rules import MEASURED_ONCE
from limner.doctor.state import State, run_state

Line = dict[str, Any]


def line(images: int, **signals: float) -> Line:
    return {"images": images} | {f"doctor/{name}": value for name, value in signals.items()}


def grown(ticks: int, tick: int, end: dict[str, float]) -> list[Line]:
    """A log whose distance falls from a hundred times that of real images to its end."""
    ratios = [100 + (end["distance_ratio"] - 100) * i / (ticks - 1) for i in range(ticks)]
    return [
        line(tick * (i + 1), **end | {"distance_ratio": ratio, "distance": 14 * ratio})
        for i, ratio in enumerate(ratios)
    ]


def state(lines: list[Line]) -> State:
    return run_state(lines, verdicts(lines))


GREY = {"overlap": 1.0, "diversity": 0.002, "distance_ratio": 35.7}
FOG = {"overlap": 1.0, "diversity": 0.3, "distance_ratio": 25.0}
GOOD = {"overlap": 0.9, "diversity": 0.9, "evenness": 0.95, "distance_ratio": 4.0}


def test_grey_squares_are_not_healthy() -> None:
    assert state(grown(4, 864, GREY)) == (
        "too early to tell", "train until 50,000 images at least",
    )  # fmt: skip
    assert state(grown(10, 2157, FOG)).name == "too early to tell"


def test_varied_samples_need_fewer_images() -> None:
    assert state(grown(4, 3000, GOOD)) == ("too early to tell", "train until 20,000 images at least")
    assert state(grown(10, 3000, GOOD)) == ("healthy", "")


@pytest.mark.parametrize(("signal", "value"), [("within", 0.1), ("evenness", 0.3), ("agreement", 0.2)])
def test_what_only_later_has_a_rule_is_awaited(signal: str, value: float) -> None:
    lines = grown(10, 3000, GOOD | {signal: value})
    assert state(lines) == ("too early to tell", "train until 50,000 images at least")


def test_samples_that_are_far_and_come_closer_are_too_early_at_any_length() -> None:
    lines = grown(20, 10_000, GOOD | {"distance_ratio": 25.0})
    assert state(lines).name == "too early to tell"
    assert state(lines).reason == (
        "samples are 25 times as far from the data as real images are, and still come closer"
    )
    assert state(grown(20, 10_000, GOOD)).name == "healthy"


def test_samples_that_are_far_and_stay_there_are_as_good_as_they_get() -> None:
    lines = grown(20, 10_000, GOOD | {"distance_ratio": 25.0})
    lines += [lines[-1] | {"images": 200_000 + 10_000 * i} for i in range(1, 6)]
    assert state(lines) == ("healthy", "")


def test_one_measurement_does_not_show_whether_samples_come_closer() -> None:
    far = line(90_000, **GOOD | {"distance": 350.0, "distance_ratio": 25.0}) | {MEASURED_ONCE: True}
    assert state([far] * 3).name == "too early to tell"
    assert "one measurement" in state([far] * 3).reason


def test_a_trouble_comes_first() -> None:
    lines = grown(4, 864, GREY)
    lines[-1]["not_finite"] = "loss/D became nan"
    assert state(lines) == ("trouble", "not finite")
    assert str(state(lines)) == "not finite"


def test_a_model_whose_samples_are_not_judged_needs_few_images() -> None:
    lines = [line(5000 * i, sensitivity=0.8, reconstruction=50 - i) for i in range(1, 6)]
    assert state(lines[:3]).name == "too early to tell"
    assert state(lines) == ("healthy", "")


def test_a_log_without_the_doctor_shows_nothing() -> None:
    assert state([{"images": 90_000, "loss/main": 1.0}]).name == "too early to tell"
    assert state([]).name == "too early to tell"
