"""What a model can do, as protocols: everything outside models/ asks for these, never for a class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor

from limner.models.latent import Latent

if TYPE_CHECKING:
    from limner.models.base import Model


class HasDevice(Protocol):
    """What every model has."""

    @property
    def device(self) -> torch.device: ...


@runtime_checkable
class Samples(HasDevice, Protocol):
    """Draws new images."""

    def sample(self, n: int, y: Tensor | None = None, **options: Any) -> Tensor:
        """n new images (n, C, H, W) in [-1, 1], of the classes y (n,) where the model knows classes.

        A model's own keyword-only arguments are its options of sampling: prior, steps, guidance, say.
        """


@runtime_checkable
class Encodes(HasDevice, Protocol):
    """Gives an image's code: the mean, where the code is a distribution."""

    @property
    def latent(self) -> Latent: ...

    def encode(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> codes (B, latent.dim)."""


@runtime_checkable
class Decodes(HasDevice, Protocol):
    """Makes the image of a code."""

    @property
    def latent(self) -> Latent: ...

    def decode(self, z: Tensor, y: Tensor | None = None, **options: Any) -> Tensor:
        """Codes (B, latent.dim), classes (B,), options of decoding -> images (B, C, H, W) in [-1, 1]."""


@runtime_checkable
class HasPosterior(Encodes, Protocol):
    """Its code is a distribution q(z|x)."""

    def sample_posterior(self, x: Tensor) -> Tensor:
        """A draw from q(z|x): (B, C, H, W) -> (B, latent.dim)."""


@runtime_checkable
class HasGaussianPosterior(HasPosterior, Protocol):
    """Its q(z|x) is N(mu, sigma^2)."""

    def target(self, x: Tensor) -> Tensor:
        """What the likelihood is of: images (B, C, H, W) on the [0, 1] scale, or black and white."""

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """q(z|x) of such a target: mu and log sigma^2, each (B, latent.dim)."""


@runtime_checkable
class HasLikelihood(HasDevice, Protocol):
    """Knows log p(x), or a bound that tightens with k."""

    @property
    def protocol(self) -> str:
        """What the likelihood is of, as has to stand beside its nats."""

    @property
    def grey_levels(self) -> int:
        """256 where it is a density of pixels in [0, 1], 1 where it is a probability of pixels."""

    def log_likelihood(self, x: Tensor, k: int) -> Tensor:
        """(B, C, H, W) -> nats per image (B,)."""


@runtime_checkable
class Scores(HasDevice, Protocol):
    """Says how unlike its training data an image is."""

    def score(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> anomaly score (B,), larger is stranger."""


@runtime_checkable
class Translates(HasDevice, Protocol):
    """Turns images of one domain into images of another."""

    def translate(self, x: Tensor, to: str) -> Tensor:
        """Images (B, C, H, W) as images of domain `to`, (B, C', H, W), of any size from 8 pixels."""

    def translator(self, to: str) -> str:
        """The name of the submodule that `translate` uses; LimnerError where there is no such domain."""


@runtime_checkable
class Edits(HasDevice, Protocol):
    """Gives an image another label and keeps the rest."""

    @property
    def classes(self) -> int | None: ...

    def edit(self, x: Tensor, y: Tensor) -> Tensor:
        """Images (B, C, H, W) with the labels y (B,): (B, C, H, W) in [-1, 1]."""


NoiseMode = Literal["random", "fixed", "off"]  # of layers that add noise


@runtime_checkable
class HasStyles(Samples, Decodes, Protocol):
    """Makes an image of a style for each of its layers, and of noise."""

    @property
    def style_sizes(self) -> Sequence[tuple[int, int]]:
        """The height and width of the layer that each style is for."""

    def style_weights(self) -> list[Tensor]:
        """For each style the matrix (outputs, dim) that its layer multiplies it with."""

    def draw_codes(self, n: int, y: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """What `sample` draws first: codes (n, latent.dim), and classes (n,) where the model has some."""

    def styles(self, z: Tensor, y: Tensor | None = None, truncation: float = 1.0) -> Tensor:
        """Codes (B, latent.dim), classes (B,) -> styles (B, layers, dim), the same w for every layer."""

    def synthesise(self, w: Tensor, noise: NoiseMode = "fixed") -> Tensor:
        """Styles (B, layers, dim) -> images (B, C, H, W) in [-1, 1]."""


# logit: sigmoid is a probability.  regression: 1 is real and 0 generated.  margin: the sign decides.
# critic: only differences mean anything.
Scale = Literal["logit", "regression", "margin", "critic"]


@dataclass(frozen=True)
class Players:
    """What one discriminator says of a batch of real and of generated images, each (B, 1).

    `generator_loss(fake, real)` is the loss that the generator gets from these outputs, a scalar.
    """

    real: Tensor
    fake: Tensor
    scale: Scale
    generator_loss: Callable[[Tensor, Tensor], Tensor]


@runtime_checkable
class HasPlayers(HasDevice, Protocol):
    """Is a game between generators and discriminators."""

    def players(self, x: Tensor, y: Tensor | None) -> dict[str, Players]:
        """By the discriminator's name: its outputs for x (B, C, H, W) and for as many generated images."""


ABILITIES: dict[str, type] = {
    "sample": Samples,
    "encode": Encodes,
    "decode": Decodes,
    "log_likelihood": HasLikelihood,
    "score": Scores,
    "translate": Translates,
    "edit": Edits,
    "styles": HasStyles,
}


def abilities(model: Model | type[Model]) -> list[str]:
    """The names of what a model, or every model of a class, can do."""
    return [name for name in ABILITIES if callable(getattr(model, name, None))]
