"""The vanilla autoencoder (lecture, Lab 1; Hinton & Salakhutdinov, Science 313, 2006).

    minimise  E_x || x - decoder(encoder(x)) ||^2

Differs from the lecture in: nothing.
Differs from the paper in: no layer-wise pre-training, ReLU units, Adam, as the lecture has it.
At another image size only the first and the last layer change: they have C*H*W inputs and outputs.
"""

from __future__ import annotations

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from limner.models.base import Logs, Model, Presets, Shape, Values, adam
from limner.models.latent import FittedPriors, Latent
from limner.nn import mlp
from limner.settings import Positive, PositiveInt


class Autoencoder(Model):
    """Vanilla autoencoder: linear layers down to a few numbers and back (Lab 1)."""

    class Options(Model.Options):
        """Options of the autoencoder"""

        latent_dim: PositiveInt = 3
        """numbers in the code"""
        hidden: tuple[PositiveInt, ...] = (128, 64)
        """widths of the encoder's layers; the decoder mirrors them"""
        lr: Positive = 1e-3
        """Adam's learning rate"""

    # The lecture's settings are the default ones.
    presets: ClassVar[Presets] = {"paper": {"latent_dim": 3, "hidden": (128, 64), "lr": 1e-3}}
    tiny: ClassVar[Values] = {"latent_dim": 8, "hidden": (32, 16)}

    def __init__(self, shape: Shape, options: Options) -> None:
        super().__init__(shape, options)
        self.lr = options.lr
        pixels = shape[0] * shape[1] * shape[2]
        self.encoder = nn.Sequential(nn.Flatten(), *mlp(pixels, *options.hidden, options.latent_dim))
        self.decoder = nn.Sequential(
            *mlp(options.latent_dim, *reversed(options.hidden), pixels), nn.Tanh(), nn.Unflatten(1, shape)
        )
        self.prior = FittedPriors(options.latent_dim)
        self.latents = {"z": Latent((options.latent_dim,), self.prior.by_name())}

    def optimizers(self) -> dict[str, Optimizer]:
        return {"main": adam(self.parameters(), self.lr)}

    def encode(self, x: Tensor) -> Tensor:
        return self.encoder(x)  # (B, latent_dim)

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.decoder(z)

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))

    def loss(self, x: Tensor, y: Tensor | None) -> tuple[Tensor, Logs]:
        mse = F.mse_loss(self(x), x)
        return mse, {"mse": mse / 4}  # logged on the [0, 1] scale, which is half as wide

    def sample(self, n: int, y: Tensor | None = None, *, prior: str | None = None) -> Tensor:
        """n new images (n, C, H, W) from codes of a density fitted to the training codes."""
        return self.decode(self.latent.draw(n, self.device, prior))

    def score(self, x: Tensor) -> Tensor:
        """Mean squared error of the reconstruction on the [0, 1] scale: (B, C, H, W) -> (B,)."""
        return (self(x) - x).square().flatten(1).mean(1) / 4
