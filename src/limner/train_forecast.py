"""`forecast`: the time and the memory that a run would take here, by a few steps that leave no trace."""

from __future__ import annotations

import math
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from limner.data import progress
from limner.data.memory import format_bytes
from limner.files import write_text
from limner.models.base import Model
from limner.train_run import Data, Request
from limner.train_session import TrainingSession
from limner.training.config import TrainConfig
from limner.training.display import Display
from limner.training.duration import Duration, describe_duration, time_iterations, time_steps
from limner.training.memory import free_memory, peak_memory
from limner.training.pace import BUSY_SHARE, clock
from limner.training.run import Run, view_data
from limner.training.session import Tick
from limner.training.setup import resolve_device


@dataclass(frozen=True)
class Forecast:
    """What a run would take here: measured on the model, the data and the machine that it would have."""

    images: int
    """that the run would see"""
    seconds: float
    """of the whole run, with the measurements at each line of the log"""
    memory: int | None
    """the most bytes of memory that the process has used; None where the system does not report them"""
    device_memory: int | None
    """the most bytes of a GPU's memory; None without one"""
    free: int | None
    """bytes of memory that are free on the device of the run, those of this process not counted"""
    weights: int
    """numbers that are trained"""
    device: str
    """where the run would be"""
    shape: tuple[int, int, int]
    """channels, height and width of the images"""
    text: str
    """the same in a line; for a long run with what would take less"""
    notes: tuple[str, ...]
    """what the user should know of the data and of the model on them"""

    def json(self) -> dict[str, Any]:
        """The values as JSON holds them."""
        return vars(self) | {"shape": list(self.shape), "notes": list(self.notes)}


def forecast(
    model: str | None = None,
    data: Data | None = None,
    *,
    preset: str | None = None,
    size: int | tuple[int, int] | None = None,
    channels: int | tuple[int, int] | None = None,
    options: dict[str, Any] | None = None,
    config: TrainConfig | None = None,
    device: str | None = None,
    **settings: Any,
) -> Forecast:
    """The time and memory of the run that `train` would start with the same arguments; nothing is kept.

    A few steps are timed, then everything that comes with a line of the log, in a temporary folder.  Memory
    is the peak of this process so far, so only the first forecast of a process means the run alone.
    Raises LimnerError for every mistake that `train` finds before its first step.
    """
    where = resolve_device(device)
    request = Request(
        model, data, preset, size, channels, options or {}, config or TrainConfig(), settings, None, where
    )
    devices = [where] if where.type == "cuda" else []
    with progress.silent(), torch.random.fork_rng(devices), tempfile.TemporaryDirectory() as folder:
        free = free_memory(where)
        whole, network, original = request.prepare()
        write_text(Path(folder) / "run.json", whole.text())
        run = Run(folder, trust=True)
        view = view_data(original, network, whole.training.leave_out)
        session = TrainingSession(run, network, view, quiet=True)
        began, processor = time.monotonic(), time.thread_time()
        duration = try_session(session)
        share = (time.thread_time() - processor) / (time.monotonic() - began)
        return describe(session, duration, share, free)


def try_session(session: TrainingSession) -> Duration:
    """The time of a run, by some iterations, and lines of the log with measurements and checkpoint."""
    config = session.config
    assert config.images is not None
    assert config.tick is not None
    session.call_doctor(session.start())
    trainer = session.trainer
    duration = time_iterations(trainer, session.watched(trainer), config.images)
    with Display("", 0, 1, quiet=True) as display:
        for _ in range(2):  # the first also prepares
            next(trainer)
            began = time.monotonic()
            session.record(Tick(trainer.images_seen, 1.0, 1.0, trainer.tick()).line(), display)
            session.save()
            tick_seconds = time.monotonic() - began
    lines = math.ceil(config.images / config.tick)
    return Duration(duration.seconds + lines * tick_seconds, config.images)


def describe(session: TrainingSession, duration: Duration, share: float, free: int | None) -> Forecast:
    """The forecast of what was measured; `share` is that of a core's time that the measurement got."""
    config, network = session.config, session.trainer.model
    memory, device, notes = peak_memory(), network.device, list(session.notes)
    if device.type == "cpu" and share < BUSY_SHARE:
        notes.append(
            f"other processes take {1 - share:.0%} of its core's time now: alone, the run takes about "
            f"{clock(duration.seconds * share)}"
        )

    def measure(narrower: Model) -> Duration:
        return time_steps(narrower, session.examples, config, duration.images)

    text = describe_duration(duration, network, session.opened.options, measure)
    on_device = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None
    needs = [f"{format_bytes(memory)} of memory"] if memory is not None else []
    needs += [f"{format_bytes(on_device)} of the GPU's"] if on_device is not None else []
    return Forecast(
        images=duration.images,
        seconds=duration.seconds,
        memory=memory,
        device_memory=on_device,
        free=free,
        weights=sum(weight.numel() for weight in network.parameters()),
        device=str(device),
        shape=network.shape,
        text=f"{text}; it needs about {' and '.join(needs)}" if needs else text,
        notes=tuple(notes),
    )
