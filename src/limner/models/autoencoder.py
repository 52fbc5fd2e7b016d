"""The vanilla autoencoder (lecture, Lab 1; Hinton & Salakhutdinov, Science 313, 2006).

    minimise  E_x || x - decoder(encoder(x)) ||^2

Differs from the paper in: no layer-wise pre-training, ReLU units, Adam, as the lecture has it.
At another image size only the first and the last layer change: they have C*H*W inputs and outputs.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from limner.models.base import Logs, Model, Shape, require
from limner.nn import CodePrior, mlp


class Autoencoder(Model):
    """Vanilla autoencoder: linear layers down to a few numbers and back (Lab 1).

    Args:
        latent_dim: numbers in the code.
        hidden: widths of the encoder's layers; the decoder mirrors them.
        lr: Adam's learning rate.
    """

    # The lecture's settings are the default ones.
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {"latent_dim": 3, "hidden": (128, 64), "lr": 1e-3}
    }

    def __init__(
        self, shape: Shape, *, latent_dim: int = 3, hidden: tuple[int, ...] = (128, 64), lr: float = 1e-3
    ) -> None:
        super().__init__(shape)
        require(latent_dim >= 1, f"latent_dim must be at least 1, not {latent_dim}")
        require(lr > 0, f"lr must be above 0, not {lr}")
        require(all(width >= 1 for width in hidden), f"hidden widths must be at least 1, not {hidden}")
        self.latent_dim, self.lr = latent_dim, lr
        pixels = shape[0] * shape[1] * shape[2]
        self.encoder = nn.Sequential(nn.Flatten(), *mlp(pixels, *hidden, latent_dim))
        self.decoder = nn.Sequential(
            *mlp(latent_dim, *reversed(hidden), pixels), nn.Tanh(), nn.Unflatten(1, shape)
        )
        self.prior = CodePrior(latent_dim)

    def optimizers(self) -> dict[str, Optimizer]:
        return {"main": Adam(self.parameters(), self.lr, fused=True)}

    def encode(self, x: Tensor) -> Tensor:
        return self.encoder(x).flatten(1)  # (B, latent_dim)

    def decode(self, z: Tensor) -> Tensor:
        return self.decoder(z)

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))

    def loss(self, x: Tensor, y: Tensor | None) -> tuple[Tensor, Logs]:
        mse = F.mse_loss(self(x), x)
        return mse, {"mse": mse / 4}  # logged on the [0, 1] scale, which is half as wide

    def sample(self, n: int, y: Tensor | None = None, prior: str = "gaussian") -> Tensor:
        """n new images (n, C, H, W) from codes drawn from the density fitted to the training codes."""
        return self.decode(self.prior.sample(n, prior))

    def score(self, x: Tensor) -> Tensor:
        """Mean squared error of the reconstruction on the [0, 1] scale: (B, C, H, W) -> (B,)."""
        return (self(x) - x).square().flatten(1).mean(1) / 4
