"""The convolutional autoencoder (lecture, Lab 2; Masci et al., ICANN 2011).

    minimise  E_x || x - decoder(encoder(x)) ||^2

Differs from the lecture in: the code, which it calls 64-dimensional; its table has 64x2x2, 256 numbers.
Differs from the paper in: max-pooling without noise, ReLU units, Adam, as the lecture has it.
At another image size the same seven layers run: an encoder that leaves h = (H - 4) // 12 rows, and a decoder
that makes 12 h + 4 + 6 a + 2 b + c rows, where the output paddings a in {0, 1}, b in {0, 1, 2}, c in {0, 1}
of its three layers are the only ones that give H.  At 28x28 all three are 0: the lecture's table.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn
from torch.optim import Optimizer

from limner.errors import LimnerError
from limner.models.base import Logs, Model, Presets, Shape, Values, adam
from limner.models.latent import FittedPriors, Latent
from limner.settings import Positive


def output_paddings(side: int) -> tuple[int, int, int]:
    """The decoder's output paddings (a, b, c) for which it makes `side` pixels."""
    rest = (side - 4) % 12
    return rest // 6, rest % 6 // 2, rest % 2


class ConvAutoencoder(Model):
    """Convolutional autoencoder: convolutions and pooling down to a 64-channel code and back (Lab 2)."""

    class Options(Model.Options):
        """Options of the convolutional autoencoder"""

        width: Annotated[int, Field(ge=2, multiple_of=2)] = 32
        """channels after the first convolution, an even number; the code has twice as many"""
        lr: Positive = 1e-3
        """Adam's learning rate"""

    # The lecture's settings are the default ones.
    presets: ClassVar[Presets] = {"paper": {"width": 32, "lr": 1e-3}}
    tiny: ClassVar[Values] = {"width": 8}
    images: ClassVar[int] = 600_000

    def __init__(self, shape: Shape, options: Options) -> None:
        super().__init__(shape, options)
        channels, height, breadth = shape
        if min(height, breadth) < 16:
            raise LimnerError(f"images must be at least 16x16, not {height}x{breadth}")
        self.lr, width = options.lr, options.width
        code_shape = (2 * width, (height - 4) // 12, (breadth - 4) // 12)
        (a, b, c), (a_, b_, c_) = output_paddings(height), output_paddings(breadth)
        self.encoder = nn.Sequential(  # at 1x28x28:
            nn.Conv2d(channels, width, 3, stride=3, padding=1), nn.ReLU(),  # 32x10x10
            nn.MaxPool2d(2, stride=2),  # 32x5x5
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1), nn.ReLU(),  # 64x3x3
            nn.MaxPool2d(2, stride=1),  # 64x2x2
        )  # fmt: skip
        self.decoder = nn.Sequential(
            nn.ConvTranspose2d(2 * width, width, 3, stride=2, output_padding=(a, a_)), nn.ReLU(),  # 32x5x5
            nn.ConvTranspose2d(width, width // 2, 5, stride=3, padding=1, output_padding=(b, b_)),
            nn.ReLU(),  # 16x15x15
            nn.ConvTranspose2d(width // 2, channels, 2, stride=2, padding=1, output_padding=(c, c_)),
            nn.Tanh(),  # 1x28x28
        )  # fmt: skip
        latent_dim = code_shape[0] * code_shape[1] * code_shape[2]
        self.prior = FittedPriors(latent_dim)
        self.latents = {"z": Latent(code_shape, self.prior.by_name())}

    def optimizers(self) -> dict[str, Optimizer]:
        return {"main": adam(self.parameters(), self.lr)}

    def encode(self, x: Tensor) -> Tensor:
        return self.encoder(x).flatten(1)  # (B, 64 * 2 * 2) at 28x28

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.decoder(z.unflatten(1, self.latent.shape))

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
