"""An update for tests that records what a model's step asks for and changes no weight."""

from __future__ import annotations

from torch import Tensor


class RecordingUpdate:
    """Records the optimisers' names in order, and the last loss and terms of each."""

    def __init__(self, iteration: int = 0) -> None:
        self.iteration, self.images_seen, self.progress = iteration, 0, 0.0
        self.names: list[str] = []
        self.losses: dict[str, Tensor] = {}
        self.terms: dict[str, dict[str, Tensor]] = {}

    def __call__(self, name: str, loss: Tensor, **terms: Tensor) -> None:
        self.names.append(name)
        self.losses[name], self.terms[name] = loss, terms
