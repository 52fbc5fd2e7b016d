"""The contract: a model writes one iteration of its paper's algorithm, and only `update` changes weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from limner.errors import LimnerError

Shape = tuple[int, int, int]  # (C, H, W)
Batch = tuple[Tensor, Tensor | None]  # x in [-1, 1] (B, C, H, W), labels (B,) or None
Logs = dict[str, Tensor]  # scalars, read once per tick
Update = Callable[[str, Tensor], None]  # update(optimiser's name, loss)


class Model(nn.Module):
    """A system of the lecture: its networks, its objective, and one iteration of its algorithm.

    The constructor's keyword arguments, each with a line in the docstring's Args, are the model's options.
    """

    presets: ClassVar[dict[str, dict[str, Any]]] = {}  # name -> options; "paper" is the cited original
    switches: ClassVar[dict[str, Any]] = {}  # option -> the value that turns it on where `ablate` varies it
    ema: tuple[str, ...] = ()  # networks of which inference uses a running average
    batch: ClassVar[int] = 128  # batch size unless the user says otherwise
    bf16: bool = False  # quicker in bf16 on a CPU that has it, with results equal within noise
    images: ClassVar[int] = 1_200_000  # images a run sees unless the user says otherwise

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape

    def optimizers(self) -> dict[str, Optimizer]:
        """The optimisers by name; `update(name, loss)` steps one of them."""
        return {"main": Adam(self.parameters(), 1e-3, fused=True)}

    def loss(self, x: Tensor, y: Tensor | None) -> tuple[Tensor, Logs]:
        """The one objective of a model that has only one: (B, C, H, W) -> scalar, what to log."""
        raise NotImplementedError(f"{type(self).__name__} must define loss(x, y) or step(data, update)")

    def step(self, data: Iterator[Batch], update: Update) -> Logs:
        """One iteration of the paper's algorithm, top to bottom."""
        loss, logs = self.loss(*next(data))
        update("main", loss)
        return logs

    def prepare(self, pixels: Tensor, *, fresh: bool) -> Tensor:
        """Look at the training pixels (N, C, H, W uint8) once before training; may return others instead.

        `fresh` is False where a run is resumed and the weights must be left alone.
        """
        return pixels

    def remarks(self, pixels: Tensor) -> list[str]:
        """What a user should know of this model on these pixels, a line each."""
        return []

    def validate(self, x: Tensor, y: Tensor | None) -> dict[str, Any]:
        """What to log of held-out images (B, C, H, W), once per tick; nothing for a model without a loss."""
        if type(self).loss is Model.loss:
            return {}
        return {name: value.item() for name, value in self.loss(x, y)[1].items()}

    def preview(self, x: Tensor, n: int) -> Tensor:
        """Images to watch over training: reconstructions of x where the model encodes, else n new ones."""
        if isinstance(self, Encodes) and isinstance(self, Decodes):
            return self.decode(self.encode(x))
        if isinstance(self, Samples):
            return self.sample(n)
        raise NotImplementedError(f"{type(self).__name__} must define preview(x)")

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device


def require(holds: bool, what: str) -> None:
    """Refuse an option's value before any weight is made: LimnerError(what) unless it holds."""
    if not holds:
        raise LimnerError(what)


# What a model can do.  Everything outside models/ asks for these, never for a class.


@runtime_checkable
class Samples(Protocol):
    """Draws new images from the prior stored with the model."""

    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """n new images (n, C, H, W) in [-1, 1]."""
        ...


@runtime_checkable
class Encodes(Protocol):
    """Gives an image's code: the mean, where the code is a distribution."""

    latent_dim: int

    def encode(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> codes (B, latent_dim)."""
        ...


@runtime_checkable
class Decodes(Protocol):
    """Makes the image of a code."""

    latent_dim: int

    def decode(self, z: Tensor) -> Tensor:
        """(B, latent_dim) -> images (B, C, H, W) in [-1, 1]."""
        ...


@runtime_checkable
class Plays(Protocol):
    """Is a generator against a discriminator."""

    def z(self, n: int) -> Tensor:
        """Noise (n, latent_dim)."""
        ...

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """(B, latent_dim) -> images (B, C, H, W) in [-1, 1], of the classes y where the model knows them."""
        ...

    def judge(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """(B, C, H, W) -> logits (B, 1), larger for what the discriminator takes to be real."""
        ...

    def generator_loss(self, fake_logit: Tensor, real_logit: Tensor | None = None) -> Tensor:
        """The generator's loss from logits (B, 1): a scalar."""
        ...


@runtime_checkable
class HasLikelihood(Protocol):
    """Knows log p(x), or a bound that tightens with k."""

    def log_likelihood(self, x: Tensor, k: int) -> Tensor:
        """(B, C, H, W) -> nats per image (B,)."""
        ...


@runtime_checkable
class Scores(Protocol):
    """Says how unlike its training data an image is."""

    def score(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> anomaly score (B,), larger is stranger."""
        ...


ABILITIES: dict[str, type] = {
    "sample": Samples,
    "encode": Encodes,
    "decode": Decodes,
    "log_likelihood": HasLikelihood,
    "score": Scores,
}


def abilities(model: Model | type[Model]) -> list[str]:
    """The names of what a model, or every model of a class, can do."""
    return [name for name in ABILITIES if callable(getattr(model, name, None))]
