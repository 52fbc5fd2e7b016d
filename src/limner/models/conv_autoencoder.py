"""The convolutional autoencoder (lecture, Lab 2; Masci et al., ICANN 2011).

    minimise  E_x || x - decoder(encoder(x)) ||^2

Differs from the paper in: max-pooling without noise, ReLU units, Adam, as the lecture has it.
At another image size the same seven layers run: an encoder that leaves h = (H - 4) // 12 rows, and a decoder
that makes 12 h + 4 + 6 a + 2 b + c rows, where the output paddings a in {0, 1}, b in {0, 1, 2}, c in {0, 1}
of its three layers are the only ones that give H.  At 28x28 all three are 0: the lecture's table.
"""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn

from limner.models.autoencoder import Autoencoder
from limner.models.base import Model, Shape, require
from limner.nn import CodePrior


def output_paddings(side: int) -> tuple[int, int, int]:
    """The decoder's output paddings (a, b, c) for which it makes `side` pixels."""
    rest = (side - 4) % 12
    return rest // 6, rest % 6 // 2, rest % 2


class ConvAutoencoder(Autoencoder):
    """Convolutional autoencoder: convolutions and pooling down to a 64-channel code and back (Lab 2).

    Args:
        width: channels after the first convolution; the code has twice as many.
        lr: Adam's learning rate.
    """

    # The lecture's settings are the default ones.
    presets: ClassVar[dict[str, dict[str, Any]]] = {"paper": {"width": 32, "lr": 1e-3}}
    images: ClassVar[int] = 600_000

    def __init__(self, shape: Shape, *, width: int = 32, lr: float = 1e-3) -> None:
        Model.__init__(self, shape)
        channels, height, breadth = shape
        require(width >= 2 and width % 2 == 0, f"width must be an even number from 2, not {width}")
        require(min(height, breadth) >= 16, f"images must be at least 16x16, not {height}x{breadth}")
        require(lr > 0, f"lr must be above 0, not {lr}")
        self.lr = lr
        self.code_shape = (2 * width, (height - 4) // 12, (breadth - 4) // 12)
        self.latent_dim = self.code_shape[0] * self.code_shape[1] * self.code_shape[2]
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
        self.prior = CodePrior(self.latent_dim)

    def decode(self, z: Tensor) -> Tensor:
        return self.decoder(z.unflatten(1, self.code_shape))
