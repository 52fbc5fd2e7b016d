"""Which weights a run stores: the last, those best on validation images, or those nearest to the data."""

from __future__ import annotations

from math import isfinite
from typing import Any

from torch import Tensor

from limner.training.checks import check_same_shapes
from limner.training.trainer import Trainer

VALIDATION = "validation/loss"  # in a line of the log
DISTANCE = "doctor/distance"


class BestWeights:
    """The weights, as inference uses them, at which a value was lowest so far; `name` says of what."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.value: float | None = None
        self.images = 0
        self.weights: dict[str, Tensor] = {}

    def __bool__(self) -> bool:
        return self.value is not None

    def __str__(self) -> str:
        return f"the weights of {self.images:,} images, the lowest {self.name}: {self.value:.4f}"

    def consider(self, value: float, trainer: Trainer) -> None:
        """Remember the weights of this moment where the value is finite and lower than any before."""
        if not isfinite(value) or (self.value is not None and self.value <= value):
            return
        self.value, self.images = value, trainer.images_seen
        self.weights = {name: tensor.clone() for name, tensor in trainer.inference_weights().items()}

    def state(self) -> dict[str, Any]:
        """What a resumed run needs."""
        return {"value": self.value, "images": self.images, "weights": self.weights}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        self.value = None if state["value"] is None else float(state["value"])
        self.images, self.weights = int(state["images"]), state["weights"]


class WeightChoice:
    """Chooses the weights to store: the last, unless there is a validation loss or training was restored.

    `remembers_nearest`: remember the weights nearest to the data, to go back to in a severe trouble.
    """

    def __init__(self, remembers_nearest: bool) -> None:
        self.remembers_nearest = remembers_nearest
        self.validated = BestWeights("validation loss")
        self.nearest = BestWeights("distance to training images")
        self.restored = False  # a severe trouble came: the nearest weights are stored from then on

    def consider(self, line: dict[str, Any], trainer: Trainer) -> None:
        """Look at a line of the log and remember the weights of this moment where they are the best."""
        if VALIDATION in line:
            self.validated.consider(line[VALIDATION], trainer)
        if self.remembers_nearest and DISTANCE in line:
            self.nearest.consider(line[DISTANCE], trainer)

    def best(self) -> BestWeights | None:
        """The weights to store in place of the last ones, if any."""
        if self.validated:
            return self.validated
        return self.nearest if self.restored and self.nearest else None

    def to_store(self, trainer: Trainer) -> tuple[dict[str, Tensor], int]:
        """The weights to store and the images they have seen."""
        if best := self.best():
            return best.weights, best.images
        return trainer.inference_weights(), trainer.images_seen

    def state(self) -> dict[str, Any]:
        """What a resumed run needs."""
        return {
            "validated": self.validated.state(),
            "nearest": self.nearest.state(),
            "restored": self.restored,
        }

    def restore(self, state: dict[str, Any], trainer: Trainer) -> None:
        """Go on from `state`; raises ValueError where its weights are not those of the trainer's model."""
        self.validated.restore(state["validated"])
        self.nearest.restore(state["nearest"])
        self.restored = bool(state["restored"])
        for best in (self.validated, self.nearest):
            if best:
                check_same_shapes(best.weights, trainer.inference_weights())
