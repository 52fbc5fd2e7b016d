"""How long a run will take, by a few steps on a copy of its model, and which width would take less."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch

from limner.data.examples import Examples
from limner.models.base import Logs, Model
from limner.settings import Settings
from limner.training.config import TrainConfig
from limner.training.pace import clock
from limner.training.trainer import Trainer

LONG = 3600.0  # seconds of a run that is worth a warning
SHORT = 10.0  # seconds of a run whose first step says enough
TIMED = 0.5  # seconds of steps that are timed, at most STEPS of them
STEPS = 20
NARROWEST = 12  # channels, of a width that is offered
QUICKER = 0.8  # of the time; a width that takes more is not offered
WIDTHS = ("width", "d_width", "e_width")  # options that count channels


class Duration(NamedTuple):
    """The seconds that `images` take, without measurements and checkpoints."""

    seconds: float
    images: int

    @property
    def rate(self) -> float:
        """Images per second."""
        return self.images / self.seconds

    def __str__(self) -> str:
        return f"{self.images:,} images take about {clock(self.seconds)} here, at {self.rate:,.0f}/s"


def time_steps(network: Model, examples: Examples, config: TrainConfig, images: int) -> Duration:
    """The time of so many images, by steps on a copy of the network; weights and random state stay."""
    assert config.batch is not None
    devices = [network.device] if network.device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        stream = examples.stream(config.batch, config.seed, network.device)
        trainer = Trainer(copy.deepcopy(network), stream, config)
        return time_iterations(trainer, trainer, images)


def time_iterations(trainer: Trainer, iterations: Iterator[Logs], images: int) -> Duration:
    """The time of so many images, by some iterations of a trainer.

    The first step, which also prepares, is not counted unless it is quick enough for a SHORT run.
    """
    batch, device = trainer.data.batch, trainer.model.device
    seconds, steps = timed_step(iterations, device), 1
    if seconds * images / batch > SHORT:
        seconds, steps = 0.0, 0
        while seconds < TIMED and steps < STEPS:
            seconds, steps = seconds + timed_step(iterations, device), steps + 1
    return Duration(seconds / steps * images / batch, images)


def timed_step(iterations: Iterator[Logs], device: torch.device) -> float:
    """The seconds of one iteration, the device's work included."""
    start = time.monotonic()
    next(iterations)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.monotonic() - start


def describe_duration(
    duration: Duration, network: Model, options: Settings, measure: Callable[[Model], Duration]
) -> str:
    """How long a run of a network with these options takes; where that is LONG, also what would take less.

    `measure` times a narrower network.
    """
    if duration.seconds <= LONG:
        return str(duration)
    offers = [f"--images {round_down(duration.rate * LONG)} takes an hour"]
    if (narrower := find_narrower(duration, network, options, measure)) is not None:
        flags, less = narrower
        offers.insert(0, f"{flags} takes about {clock(less.seconds)}")
    return f"{duration}: {', '.join(offers)}"


def find_narrower(
    duration: Duration, network: Model, options: Settings, measure: Callable[[Model], Duration]
) -> tuple[str, Duration] | None:
    """The largest half, quarter, ... of the network's widths that takes at most LONG, as flags, and its time.

    The smallest one where none does; None where no width is quicker.
    """
    widths = {name: getattr(options, name) for name in WIDTHS if hasattr(options, name)}
    offer, divisor = None, 2
    while widths and min(widths.values()) // divisor >= NARROWEST:
        narrow = {name: width // divisor for name, width in widths.items()}
        with torch.random.fork_rng():
            smaller = type(network)(network.shape, type(options).parse(options.model_dump() | narrow))
        less = measure(smaller.to(network.device))
        if less.seconds < QUICKER * duration.seconds:
            offer = flag_text(narrow), less
            if less.seconds <= LONG:
                break
        divisor *= 2
    return offer


def flag_text(values: dict[str, int]) -> str:
    """Options as a command line has them."""
    return " ".join(f"--{name.replace('_', '-')} {value}" for name, value in values.items())


def round_down(images: float) -> int:
    """A number with two digits that are not 0, at most `images`."""
    unit = 10 ** max(len(str(int(images))) - 2, 0)
    return int(images) // unit * unit
