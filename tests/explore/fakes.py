"""Models with codes, priors, labels, options and costs of every kind, which need no training."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from limner import explore
from limner.data import to_float
from limner.models.autoencoder import Autoencoder
from limner.models.base import Model, Values
from limner.models.latent import Latent, Normal, Uniform
from limner.training import Run

SHAPE = (1, 16, 16)
NAMES = ("upper left", "upper right", "lower left", "lower right")


class Plain(Model):
    """A model with one weight and no ability; its codes are the pixels."""

    def __init__(self) -> None:
        super().__init__(SHAPE, self.Options())
        self.weight = nn.Parameter(torch.ones(1))
        self.passes = 0  # images decoded


class Coder(Plain):
    """Encodes an image to its first `d` pixels; decodes a code to an image with these and the class."""

    def __init__(self, latent: Latent) -> None:
        super().__init__()
        self.latents = {"z": latent}

    def encode(self, x: Tensor) -> Tensor:
        return x.flatten(1)[:, : self.latent.dim]

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        self.passes += len(z)
        x = torch.zeros(len(z), 256)
        x[:, : self.latent.dim] = z[:, :256]
        if y is not None:
            x[:, 255] = to_float((50 * y + 50).to(torch.uint8))
        return x.unflatten(1, SHAPE)


class Conditional(Coder):
    """A conditional model with options of sampling."""

    labels: Literal["ignored", "optional", "required"] = "optional"
    classes = 4

    def sample(
        self,
        n: int,
        y: Tensor | None = None,
        *,
        prior: str | None = None,
        steps: int = 8,
        guidance: float = 0.0,
    ) -> Tensor:
        x = self.decode(self.latent.draw(n, self.device, prior), y)
        x[:, 0, 15, 14] = steps / 100 + guidance
        return x


class Required(Conditional):
    """A conditional model that cannot decode without a class."""

    labels: Literal["ignored", "optional", "required"] = "required"

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        assert y is not None
        assert y.shape == (len(z),)
        return super().decode(z, y)


class Generator(Plain):
    """Decodes wide codes, or costly ones, and has no encoder."""

    def __init__(self, dim: int, cost: float = 1.0) -> None:
        super().__init__()
        self.latents, self.cost = {"z": Latent((dim,), {"normal": Normal(dim)})}, cost

    def sample_cost(self, **options: Any) -> float:
        return self.cost

    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        return self.decode(self.latent.draw(n, self.device))

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        self.passes += len(z)
        return z[:, :1, None, None].expand(-1, *SHAPE)


class Strong(Autoencoder):
    """Has options of decoding, which it records, and a draft, without which an image takes many passes."""

    draft: ClassVar[Values] = {"strength": 0.5, "guidance": 2.0}
    used: ClassVar[list[tuple[float, int]]] = []  # strength and steps of each call of decode, of all models
    guided: ClassVar[list[float]] = []

    def decode(self, z: Tensor, y: Tensor | None = None, *, strength: float = 1.0, steps: int = 8) -> Tensor:
        self.used.append((strength, steps))
        return strength * super().decode(z, y)

    def sample(
        self, n: int, y: Tensor | None = None, *, prior: str | None = None, guidance: float = 0.0
    ) -> Tensor:
        self.guided.append(guidance)
        return super().sample(n, y, prior=prior)

    def sample_cost(self, **options: Any) -> float:
        return 1.0 if options.get("strength") == 0.5 else 5000.0


def codes(d: int = 3, **settings: Any) -> Latent:
    return Latent((d,), {"normal": Normal(d), "uniform": Uniform(d)}, **settings)


def run_of(trained: Run, model: Model, class_names: list[str] | None = None) -> Run:
    """The trained run with another model in place of its own."""
    run = Run(trained.path)
    record = run.config.data.model_copy(update={"classes": class_names})
    run.config = run.config.model_copy(update={"data": record})
    run.loaded = trained.loaded
    run.model = model.eval().requires_grad_(False)
    return run


PICTURES: dict[str, Any] = {
    "interpolate": lambda run, **settings: explore.interpolate(run, pairs=1, steps=3, **settings),
    "traverse": lambda run, **settings: explore.traverse(run, dims=2, steps=3, **settings),
    "manifold": lambda run, **settings: explore.manifold(run, steps=2, **settings),
}
