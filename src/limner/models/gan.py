"""The generative adversarial network (Goodfellow et al. 2014, arXiv 1406.2661; lecture, Lab 4).

    min_G max_D  1/2 E_x log D(x) + 1/2 E_z log(1 - D(G(z)))

Algorithm 1: k discriminator steps, each on fresh data and noise, then one generator step on fresh noise.
Differs from the paper in (default preset): LeakyReLU networks with layer-normalised generator, Adam, pixels
in [-1, 1] with Tanh, an average of the generator's weights for inference.  `--preset paper`: maxout
discriminator with dropout, SGD with falling rate and rising momentum, sigmoid pixels, as in the paper's
published code, which however updates both players at once, on the same noise, where Algorithm 1 and this
file update them in turn.
`Adversarial` has the game, its losses and its options.
At another image size the generator's last and the discriminator's first layer have C*H*W units.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.optim import SGD, Optimizer

from limner.models.adversarial import Adversarial, Dropout, Pixels, Unit
from limner.models.base import Shape, require


class GAN(Adversarial):
    """Generative adversarial network: a generator against a discriminator, both fully connected (Lab 4).

    Args:
        networks: leaky: LeakyReLU; maxout: the paper's, ReLU generator against a maxout discriminator.
        hidden: widths of the generator's layers; the discriminator mirrors them (leaky).
        dropout: share of the discriminator's hidden units left out in training.
        optimizer: adam with beta1 0.5, or the paper's sgd with falling rate and rising momentum.
        lr: learning rate of both players.
    """

    presets: ClassVar[dict[str, dict[str, Any]]] = {
        # Goodfellow et al. 2014 with mnist.yaml of the published code: see `Maxout` and `FallingSGD`.
        "paper": {
            "latent_dim": 100, "noise": "gaussian", "loss": "non-saturating", "critic_steps": 1,
            "networks": "maxout", "hidden": (1200, 1200), "dropout": 0.5, "inputs": "unit",
            "optimizer": "sgd", "lr": 0.1, "averaged": "nothing", "batch": 100,
        },
    }  # fmt: skip
    images: ClassVar[int] = 2_000_000

    def __init__(
        self,
        shape: Shape,
        *,
        networks: Literal["leaky", "maxout"] = "leaky",
        hidden: tuple[int, ...] = (256, 512),
        dropout: float = 0.3,
        optimizer: Literal["adam", "sgd"] = "adam",
        lr: float = 5e-4,
        **game: Any,
    ) -> None:
        super().__init__(shape, lr=lr, **game)
        require(len(hidden) > 0 and min(hidden) >= 1, f"hidden needs widths of at least 1, not {hidden}")
        require(0 <= dropout < 1, f"dropout must be from 0 to below 1, not {dropout}")
        require(networks == "leaky" or self.inputs == "unit", "maxout networks see inputs unit, in [0, 1]")
        require(
            networks == "leaky" or not self.generator_dropout,
            "the maxout networks have no generator_dropout: leave it out, or choose networks leaky",
        )
        self.optimizer = optimizer
        if networks == "maxout":
            self.players(*maxout_networks(shape, self.latent_dim, hidden, dropout))
        else:
            self.players(
                generator(shape, self.latent_dim, hidden, self.generator_dropout, self.inputs),
                discriminator(shape, hidden, dropout, self.inputs),
            )

    def optimizers(self) -> dict[str, Optimizer]:
        if self.optimizer == "adam":
            return super().optimizers()
        return {
            "D": FallingSGD(self.D.parameters(), self.d_lr),
            "G": FallingSGD(self.G.parameters(), self.lr),
        }

    def decode(self, z: Tensor) -> Tensor:
        """The image of a noise vector: (B, latent_dim) -> (B, C, H, W)."""
        return self.generate(z)

    # As the published code does: "output bias from pixel marginals"
    def prepare(self, pixels: Tensor, *, fresh: bool) -> Tensor:
        """Start the paper's generator from the mean image, on its output's bias."""
        if fresh and isinstance(self.G, SigmoidGenerator):
            mean = pixels[:: max(1, len(pixels) // 50_000)].float().mean(0).flatten() / 255
            with torch.no_grad():
                self.G.output.bias.copy_(mean.clamp(1e-3, 1 - 1e-3).logit())
        return pixels


def generator(
    shape: Shape, inputs: int, hidden: tuple[int, ...], dropout: float = 0.0, pixels: str = "centred"
) -> nn.Sequential:
    """Layer-normalised LeakyReLU layers: (B, inputs) -> images in [-1, 1]."""
    layers: list[nn.Module] = []
    for before, after in zip((inputs, *hidden), hidden, strict=False):
        layers += [nn.Linear(before, after), nn.LayerNorm(after), nn.LeakyReLU(0.2)]
        layers += [Dropout(dropout)] if dropout else []
    layers += [nn.Linear(hidden[-1], shape[0] * shape[1] * shape[2])]
    return nn.Sequential(*layers, Pixels() if pixels == "unit" else nn.Tanh(), nn.Unflatten(1, shape))


def discriminator(
    shape: Shape, hidden: tuple[int, ...], dropout: float, pixels: str = "centred"
) -> nn.Sequential:
    """LeakyReLU layers with dropout, the generator's widths backwards: images -> logits (B, 1)."""
    layers: list[nn.Module] = [Unit()] if pixels == "unit" else []
    layers += [nn.Flatten()]
    widths = (shape[0] * shape[1] * shape[2], *reversed(hidden))
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.LeakyReLU(0.2), nn.Dropout(dropout)]
    return nn.Sequential(*layers, nn.Linear(hidden[0], 1))


class Maxout(nn.Module):
    """Each unit is the largest of its linear pieces (Goodfellow et al. 2013): (B, n) -> (B, units)."""

    def __init__(self, inputs: int, units: int, pieces: int = 5) -> None:
        super().__init__()
        self.linear, self.pieces = nn.Linear(inputs, units * pieces), pieces

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x).unflatten(1, (-1, self.pieces)).amax(2)


class SigmoidGenerator(nn.Module):
    """z -> ReLU layers -> sigmoid pixels, handed on in [-1, 1]."""

    def __init__(self, shape: Shape, latent_dim: int, hidden: tuple[int, ...]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in zip((latent_dim, *hidden), hidden, strict=False):
            layers += [nn.Linear(before, after), nn.ReLU()]
        self.shape, self.hidden = shape, nn.Sequential(*layers)
        self.output = nn.Linear(hidden[-1], shape[0] * shape[1] * shape[2])

    def forward(self, z: Tensor) -> Tensor:
        return (self.output(self.hidden(z)).sigmoid() * 2 - 1).unflatten(1, self.shape)


class MaxoutDiscriminator(nn.Module):
    """Two maxout layers of 240 units with 5 pieces, dropout of the pixels (0.2) and the hidden units."""

    def __init__(self, shape: Shape, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Dropout(0.2), Maxout(shape[0] * shape[1] * shape[2], 240),
            nn.Dropout(dropout), Maxout(240, 240), nn.Dropout(dropout), nn.Linear(240, 1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return self.layers((x + 1) / 2)  # pixels in [0, 1], as in the paper


def maxout_networks(
    shape: Shape, latent_dim: int, hidden: tuple[int, ...], dropout: float
) -> tuple[nn.Module, nn.Module]:
    """The paper's pair, weights uniform in [-0.05, 0.05] (generator) and [-0.005, 0.005] (discriminator)."""
    pair = SigmoidGenerator(shape, latent_dim, hidden), MaxoutDiscriminator(shape, dropout)
    for network, reach in zip(pair, (0.05, 0.005), strict=True):
        for name, weight in network.named_parameters():
            nn.init.zeros_(weight) if name.endswith("bias") else nn.init.uniform_(weight, -reach, reach)
    return pair


class FallingSGD(SGD):
    """SGD whose rate falls by 1.000004 a step down to 1e-6 while its momentum rises from 0.5 to 0.7.

    The published code raises momentum over 250 epochs of 50,000 images in batches of 100: 125,000 steps.
    """

    def __init__(self, weights: Iterator[nn.Parameter], lr: float) -> None:
        super().__init__(weights, lr, momentum=0.5)

    def step(self, closure: Any = None) -> Any:
        result = super().step(closure)
        for group in self.param_groups:
            group["lr"] = max(group["lr"] / 1.000004, 1e-6)
            group["momentum"] = min(group["momentum"] + 0.2 / 125_000, 0.7)
        return result
