"""Every setting of a run, once: training, data and the record that run.json holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from limner.errors import LimnerError
from limner.files import read_json
from limner.settings import NonNegativeInt, Positive, PositiveInt, Settings

Precision = Literal["fp32", "bf16"]
OnTrouble = Literal["report", "stop", "restore", "ignore"]


class LengthConfig(Settings):
    """Length"""

    epochs: Positive | None = None
    """passes over the training images"""
    images: PositiveInt | None = None
    """length in images seen, where it is not in epochs"""

    @model_validator(mode="after")
    def check_length(self) -> Self:
        if self.epochs is not None and self.images is not None:
            raise ValueError("give either epochs or images, not both")
        return self


class DataConfig(Settings):
    """Data"""

    validation: NonNegativeInt = 0
    """training images held out, drawn at random; the weights with the lowest loss on them are stored"""
    leave_out: str | None = None
    """a class to leave out of training, so that its anomaly scores can be judged"""


class OptimisationConfig(Settings):
    """Training"""

    batch: Annotated[int, Field(ge=1, le=65_536)] | None = None
    """images per step"""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """seed of everything drawn at random"""
    precision: Precision | None = None
    """of the networks' arithmetic; default: bf16 where it is faster with equal results"""
    clip: Positive | None = None
    """largest norm of a gradient; default: no limit"""
    ema_half_life: Positive = 10_000
    """images after which an averaged weight has lost half its influence; above 10,000 it is
    at most a twentieth of the images seen"""
    warmup: NonNegativeInt = 0
    """images over which learning rates rise from 0"""
    lr_drops: tuple[PositiveInt, ...] = ()
    """images seen at which every learning rate falls"""
    lr_drop: Annotated[float, Field(gt=0, le=1)] = 0.1
    """factor by which it falls"""


class OutputConfig(Settings):
    """Log and checkpoints"""

    tick: PositiveInt | None = None
    """images between two lines of the log; default: an epoch, or 10000 where that is more"""
    on_trouble: OnTrouble = "report"
    """what to do about a severe trouble: report it, stop, or restore the weights nearest to the data; ignore
    turns the doctor off"""
    save_seconds: Annotated[float, Field(ge=0)] = 5.0
    """least time between two checkpoints, in seconds"""


class TrainConfig(LengthConfig, DataConfig, OptimisationConfig, OutputConfig):
    """Settings of training"""


Channels = Annotated[int, Field(ge=1, le=4)]
Side = Annotated[int, Field(ge=1, le=1024)]


class DataRecord(Settings):
    """Where a run's images come from, and what they hold."""

    source: str
    name: str
    shape: tuple[Channels, Side, Side]
    train: NonNegativeInt
    test: NonNegativeInt
    fingerprint: str
    classes: tuple[str, ...] | None = None
    second: DataRecord | None = None
    """domain B, where the run is of two domains and this is A"""

    def parts(self) -> list[DataRecord]:
        """This record; of two domains, those of A and B."""
        return [self] if self.second is None else [self, self.second]


class RunConfig(Settings):
    """What run.json holds: all that is needed to do the run again, and where it was done."""

    model: str
    preset: str | None = None
    options: dict[str, Any]
    data: DataRecord
    training: TrainConfig
    device: str = "cpu"
    versions: dict[str, str] = {}
    machine: dict[str, Any] = {}
    started: str = ""

    @classmethod
    def read(cls, path: Path) -> RunConfig:
        """The record in a run.json; LimnerError for a file that is damaged or not of a run."""
        content = read_json(path)
        for key, kind in {"model": str, "options": dict, "data": dict, "training": dict}.items():
            if not isinstance(content, dict) or not isinstance(content.get(key), kind):
                raise LimnerError(f"{path} is not a run of ours: it lacks '{key}'")
        try:
            DataRecord.parse(content["data"])
            TrainConfig.parse(content["training"])
            config = cls.parse(content)
        except LimnerError as error:
            raise LimnerError(f"{path} is not a run of this version: {error}") from None
        config.check(path)
        return config

    def check(self, path: Path) -> None:
        """Raise LimnerError where a setting that every run has is missing, or two settings disagree."""
        for name in ("images", "batch", "tick"):
            if getattr(self.training, name) is None:
                raise LimnerError(f"{path} is not a run of ours: it lacks '{name}' of its training")
        count, names = self.options.get("classes"), self.data.classes
        if count is not None and names is not None and count != len(names):
            raise LimnerError(f"{path} is damaged: its model has {count} classes and its data {len(names)}")
        if not self.training.validation < max(self.data.train, 1):
            raise LimnerError(
                f"{path} is damaged: {self.training.validation:,} of {self.data.train:,} images are held out"
            )

    def text(self) -> str:
        """The record as readable JSON."""
        return json.dumps(self.json_values(), indent=2) + "\n"
